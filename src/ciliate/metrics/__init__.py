"""Metrics in Prometheus' form: values of the moment, read when somebody asks.

`family` are the values, `exposition` turns them into text or JSON (the only importer of
prometheus_client, and itself imported at the first question), `server` answers over HTTP.
"""
