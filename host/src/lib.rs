//! Embed Brio: sessions, agents and landings in your own program
