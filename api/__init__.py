"""The doors of Crosslight: the command line, the HTTP service and the page. Nothing in the engine imports them."""
