"""How agencies bring adapters and operators lead them to life: bundles, acts on the register, what it makes callable.

`bundle` and `signing` are what an agency sends; `record` and `acts` are what stands of it, pure; `overlay` is what
operators set over it; `versions` is what all of that means for calls; `desk` does an act for somebody.
"""
