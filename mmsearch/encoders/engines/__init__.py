"""Ways to run an open_clip image tower on the CPU, and the choice among them.

`packed` is torch with the towers' layers rewritten for oneDNN and works at once; `compiled` is
torch.compile; `exported` runs ONNX Runtime or OpenVINO. `choose` tries those that cost seconds only
where the work is long enough, and remembers what it measured. `streams` runs any of them on all
cores.
"""
