"""Prometheus in a lab, on request: `lab up --monitoring`.

    manifests        what it is made of in the cluster, and what it may read there
    prometheus.yaml  its settings: what a target may be
    scraping         what says of agents, operator and flow servers where they are scraped
    targets          what is scraped: pods and Services that say so (pure)
    discovery        the container beside it that watches for them

The program is Debian's, which a pod runs as it runs every tool of the machine (`lab/kubelet/images`).
It knows nothing of Kubernetes (Debian builds it without), so a container of ours writes files of
targets for it.
"""
