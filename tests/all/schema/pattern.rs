//! The regular expressions of the schema: literals, classes, groups, alternatives, `+`, `*`, `?`, `.`, between `^` and `$`.

/// Whether the whole text fits.
pub(super) fn is_match(pattern: &str, text: &str) -> bool {
    let inner = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'));
    let inner: Vec<char> = inner.unwrap_or_else(|| panic!("{pattern} is not anchored")).chars().collect();
    let text: Vec<char> = text.chars().collect();
    any(&inner, &text, 0).contains(&text.len())
}

/// Where a match of one of the alternatives can end that begins here.
fn any(pattern: &[char], text: &[char], from: usize) -> Vec<usize> {
    let (mut depth, mut start, mut ends) = (0, 0, Vec::new());
    for (at, letter) in pattern.iter().enumerate() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '|' if depth == 0 => {
                ends.extend(sequence(&pattern[start..at], text, from));
                start = at + 1;
            }
            _ => {}
        }
    }
    ends.extend(sequence(&pattern[start..], text, from));
    ends
}

fn sequence(pattern: &[char], text: &[char], from: usize) -> Vec<usize> {
    let Some(first) = pattern.first() else { return vec![from] };
    let close = |open: char, close: char| {
        let mut depth = 0;
        pattern.iter().position(|letter| {
            depth += i32::from(*letter == open) - i32::from(*letter == close);
            depth == 0
        })
    };
    let length = match first {
        '(' => close('(', ')').unwrap() + 1,
        '[' => close('[', ']').unwrap() + 1,
        _ => 1,
    };
    let (atom, rest) = pattern.split_at(length);
    let (least, most, rest) = match rest.first() {
        Some('+') => (1, usize::MAX, &rest[1..]),
        Some('*') => (0, usize::MAX, &rest[1..]),
        Some('?') => (0, 1, &rest[1..]),
        _ => (1, 1, rest),
    };
    let (mut ends, mut reached, mut times) = (Vec::new(), vec![from], 0);
    while !reached.is_empty() && times <= most {
        if times >= least {
            ends.extend(reached.iter().flat_map(|at| sequence(rest, text, *at)));
        }
        reached = reached.iter().flat_map(|at| once(atom, text, *at)).filter(|end| *end > from).collect();
        reached.sort_unstable();
        reached.dedup();
        times += 1;
    }
    ends
}

fn once(atom: &[char], text: &[char], from: usize) -> Vec<usize> {
    match atom {
        ['(', inner @ .., ')'] => any(inner, text, from),
        ['[', '^', inner @ .., ']'] => step(text.get(from).is_some_and(|letter| !is_in(inner, *letter)), from),
        ['[', inner @ .., ']'] => step(text.get(from).is_some_and(|letter| is_in(inner, *letter)), from),
        ['.'] => step(from < text.len(), from),
        [letter] => step(text.get(from) == Some(letter), from),
        other => panic!("{other:?}"),
    }
}

fn step(fits: bool, from: usize) -> Vec<usize> {
    if fits { vec![from + 1] } else { Vec::new() }
}

fn is_in(class: &[char], letter: char) -> bool {
    match class {
        [] => false,
        [first, '-', last, rest @ ..] => (*first..=*last).contains(&letter) || is_in(rest, letter),
        [first, rest @ ..] => *first == letter || is_in(rest, letter),
    }
}

#[test]
fn sizes_and_names_fit_their_patterns() {
    let size = "^(0|([0-9]+([.][0-9]+)?(B|MiB))+)$";
    for (text, fits) in [("0", true), ("64MiB", true), ("1.5MiB3B", true), ("64", false), ("", false), ("1.MiB", false)]
    {
        assert_eq!(is_match(size, text), fits, "{text}");
    }
    assert!(is_match("^[A-Za-z0-9][A-Za-z0-9._-]*$", "web-2.a") && !is_match("^[a-z][a-z._-]*$", "web 2"));
    assert!(is_match("^[^=]+=.+$", "a=b=c") && !is_match("^[^=]+=.+$", "=b"));
}
