"""What processes of any kind need of the operating system: files, sockets, servers."""
