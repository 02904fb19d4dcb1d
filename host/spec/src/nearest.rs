//! Finds the known name that is nearest to a misspelt one.

/// Longest word that is compared: none of ours is as long, and the comparison takes time with the square of it.
const LONGEST: usize = 64;

/// The known word that differs least, where it differs by a slip or two.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    // A third of the letters: `a` is no slip of `cpu`.
    let slips = (word.chars().count() / 3).clamp(1, 3);
    let distances = known.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    distances.filter(|(distance, _)| *distance <= slips).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// To follow what was written: `did you mean X?`, or the list of what there is.
pub fn advice<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("write one of {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_its_neighbour_and_nonsense_the_list() {
        let known = ["never", "on-failure", "always"];
        assert_eq!(nearest("on_failure", known), Some("on-failure"));
        assert_eq!(nearest("alwyas", known), Some("always"));
        assert_eq!(nearest("sometimes", known), None);
        assert_eq!(nearest(&"always".repeat(100_000), known), None);
        assert_eq!(advice("nevr", known), "did you mean never?");
        assert_eq!(advice("", known), "write one of never, on-failure, always");
    }
}
