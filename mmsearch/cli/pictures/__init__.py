"""Pictures in the terminal: what it can do (`ask`, `choose`), how it is told, where they stand.

One module a way: `kitty`, `iterm2`, `sixel`, `blocks`. Each draws a picture from the cursor on, to
the right and down, and leaves the cursor anywhere; `rows` saves and restores it.
"""
