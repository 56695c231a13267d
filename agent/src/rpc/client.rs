//! The client's side of RPC, for the command line.
