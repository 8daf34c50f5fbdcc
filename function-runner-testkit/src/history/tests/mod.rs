//! That the checker finds what it is to find, by its name and with a history that says it shortly; and
//! accuses nobody else.

mod files;
mod innocent;
mod planted;
mod script;
