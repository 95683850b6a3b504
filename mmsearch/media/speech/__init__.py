"""Speech becomes text here: with which model, what is said, and in which sentences.

``models`` finds a Whisper model without loading it, ``hub`` looks into the model hub's cache and
downloads, ``recognise`` goes through a recording in chunks, ``voice`` finds where somebody
speaks, and ``segments`` makes sentences of words, those of existing transcripts too.
"""
