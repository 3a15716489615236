"""HTTP/1.1 without I/O: bytes in, heads and bodies out (RFC 9110, RFC 9112)."""
