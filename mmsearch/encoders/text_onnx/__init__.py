"""The text tower of an open_clip encoder, exported once, so that no text query imports torch.

`export` makes the files of a tower from the model, `tower` reads texts with them, `kept` knows
where they are, and `encoder` is the dual encoder that needs torch for images alone. `tokens`,
`bpe` and `clean` turn texts into tokens as open_clip does, without open_clip.
"""
