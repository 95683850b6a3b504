"""Ways to run an open_clip image tower on the CPU, and the choice among them.

`packed` is torch with the towers' layers rewritten for oneDNN and works at once; `exported` runs
ONNX Runtime or OpenVINO. `choose` tries those that cost seconds only where the work is long enough,
and remembers what it measured. `streams` runs any of them on all cores.

There is no torch.compile: beyond what `packed` has, it gained nothing after half a minute of
compiling, and to say where it keeps what it made it wants the process's environment changed.
"""
