//! How a mood looks: one table for the list and for what is below it.
//!
//! Must not: know what is in that mood.

use crate::render::phase::Mood;
use ratatui::style::{Color, Modifier, Style};

pub(super) const fn style_of(mood: Mood) -> Style {
    match mood {
        Mood::Good => Style::new().fg(Color::Green),
        Mood::Busy => Style::new().fg(Color::Yellow),
        Mood::Bad => Style::new().fg(Color::Red),
        Mood::Quiet => Style::new().add_modifier(Modifier::DIM),
    }
}
