//! Nothing but tests: real clients, real peers and real databases against a running controller.
