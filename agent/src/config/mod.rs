//! The agent's configuration: flags and files, merged by Serf's rules.
