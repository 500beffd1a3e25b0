//! The engine's logic with a turned clock, and the whole engine on the real store.
