"""The corpus of broken networks and their lookalikes, through other declarative tools for networks.

Each network is recorded from the corpus's PyTorch code and written in each tool's format; what the format cannot say is set
aside, with the reason. The tool, in an environment of its own, is then asked about every file.
"""
