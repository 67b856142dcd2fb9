"""What the Grafana dashboards show, and the JSON it becomes: tools/generate_dashboards.py writes it.

panel      a panel and its queries
layout     sections of panels on Grafana's grid, and the dashboard around them
agent, operator, flows      the three dashboards: tables of panels
"""
