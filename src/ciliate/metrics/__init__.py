"""Metrics in Prometheus' form: current values, read at each request.

`family` are the values, `exposition` turns them into text or JSON (the only importer of
prometheus_client, and itself imported at the first question), `server` answers over HTTP.
"""
