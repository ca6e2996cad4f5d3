"""Arrays in, pictures out: Plotly figures for charts, hard-pixel PNG for maps and filters."""
