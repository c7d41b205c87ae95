"""The doors of Crosslight: the command line, the HTTP service and the page."""
