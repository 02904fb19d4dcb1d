//! The keeper and real members: processes that share memory, are killed, and are recovered from.

#[cfg(test)]
mod group;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod processes;
