//! Mails about incidents. The engine writes them as rows in the transaction of the state change;
//! from there:
//!
//! | file | takes | gives |
//! |---|---|---|
//! | `silence` | what a person wants not to hear of | whether an incident is that |
//! | `text` | an incident that begins or ends | the words of its mail |
//! | `outbox` | queued rows that are due | one letter at a time, and what became of it |
//! | `mail` | a letter | an SMTP transaction, by lettre |

pub mod mail;
pub mod outbox;
pub mod silence;
pub mod text;
