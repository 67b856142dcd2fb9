"""The page of flows, as `svc/hubble-ui` serves it: `web/` to a browser, and the relay's API behind it.

`settings` says where the relay is, `grpc_web` is the form in which a browser asks, `flow_api` passes its
requests on, `pages` are the files, `serving` puts them together; `objects` are the cluster's.
"""
