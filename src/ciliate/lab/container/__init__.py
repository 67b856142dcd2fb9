"""A container: processes with files, process numbers and capabilities of their own.

    spec        what a container is made of: what the kubelet says and the zygote's child does (pure)
    image       the files every container begins with, made once per lab
    root        a container's mount namespace, put together by the child that becomes the container
    privileges  what it may do: user, groups, capabilities
    keyrings    the one thing that is refused by number, since it asks for no capability
    running     a container that runs: found again, entered by another process
    pause       the first process of a pod whose containers share process numbers

Nothing of a container outlives its last process: no mount of it is made anywhere else.
"""
