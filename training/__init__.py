"""Makes the weights that ship with `mini`: `python -m training --data DIR`, one file a stage."""
