"""What NumPy functions, array methods and library functions mean on runtime values: one handler each."""
