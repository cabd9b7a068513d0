"""The wall to the outside: the only package here that opens sockets and files, logs, sleeps or asks the time."""
