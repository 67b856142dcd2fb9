"""Who a pod is: the numeric identity of its security-relevant labels, and whose an address is."""
