"""The keys of `cilium-config`: what they mean, how their texts are read, what we act on."""
