//! Which ids of the machine are Sandhog's: a range that is registered for it, else one that nobody has. Pure: the files
//! of accounts and of subordinate ids (passwd(5), group(5), subuid(5), subgid(5)) come in as text. Accounts that are
//! kept elsewhere (LDAP and the like) are not looked at.

use serde::{Deserialize, Serialize};

/// The name that a range is registered for.
const OWNER: &str = "sandhog";

/// How many ids an unregistered range has: as many as useradd(8) gives an account.
const COUNT: u32 = 65_536;

/// Where unregistered ranges begin: above what useradd(8) gives to accounts (`SUB_UID_MAX` is 600100000) and above
/// systemd's containers (they end at 1879048191: its document "Users, Groups, UIDs and GIDs"), below the foreign ids of
/// the same document. The next one is tried where somebody has the last; the very last one is for a user namespace that
/// has fewer ids.
const CANDIDATES: [u32; 9] =
    [0x7000_0000, 0x7001_0000, 0x7002_0000, 0x7003_0000, 0x7004_0000, 0x7005_0000, 0x7006_0000, 0x7007_0000, 200_000];

/// Fewer are of no use: a zygote's and its workers'.
const MIN: u32 = 2;

/// Ids of users and of groups, by the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Never 0.
    pub first: u32,
    /// At least [`MIN`]; the last one is below `u32::MAX`, which is no id.
    pub count: u32,
}

impl Range {
    /// The last of them.
    pub fn last(self) -> u32 {
        self.first + (self.count - 1)
    }

    pub fn contains(self, id: u32) -> bool {
        (self.first..=self.last()).contains(&id)
    }

    fn span(self) -> Span {
        Span { first: self.first.into(), end: u64::from(self.first) + u64::from(self.count) }
    }
}

/// What is known of who has which ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    pub subuid: &'a str,
    pub subgid: &'a str,
    pub passwd: &'a str,
    pub group: &'a str,
}

/// A range, and why it is not as good as it should be, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub range: Range,
    pub weak: Option<String>,
}

/// Some ids, the end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u64,
    end: u64,
}

impl Span {
    /// Of what is no id there is none: a count is cut at the end of all ids.
    fn new(first: u64, count: u64) -> Option<Self> {
        let end = first.saturating_add(count).min(u64::from(u32::MAX));
        (first < end).then_some(Self { first, end })
    }

    fn meets(self, other: Self) -> bool {
        self.first < other.end && other.first < self.end
    }

    fn common(self, other: Self) -> Option<Range> {
        // Root is nobody's worker.
        let (first, end) = (self.first.max(other.first).max(1), self.end.min(other.end));
        let count = end.checked_sub(first)?;
        let range = Range { first: u32::try_from(first).ok()?, count: u32::try_from(count).ok()? };
        (range.count >= MIN).then_some(range)
    }
}

/// Somebody's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    by: String,
    file: &'static str,
    span: Span,
}

/// The range to take ids from. `maps`: /proc/self/uid_map and gid_map. None: none of them is in this user namespace.
pub fn choose(files: Files<'_>, maps: [&str; 2]) -> Option<Chosen> {
    let held = others(files);
    let overlap = |range: Range| held.iter().find(|held| held.span.meets(range.span()));
    let is_here = |range: &Range| maps.iter().all(|map| maps_all(map, *range));
    if let Some(range) = registered(files).into_iter().find(is_here) {
        let weak = overlap(range).map(|held| {
            let Range { first, .. } = range;
            format!(
                "the ids {first} to {}, which are registered for {OWNER}, overlap {}: whoever has those can end workers; give \
                 one of the two another range in /etc/subuid and /etc/subgid",
                range.last(),
                describe(held)
            )
        });
        return Some(Chosen { range, weak });
    }
    let candidates = CANDIDATES.map(|first| Range { first, count: COUNT });
    let here = || candidates.into_iter().filter(is_here);
    if let Some(range) = here().find(|range| overlap(*range).is_none()) {
        return Some(Chosen { range, weak: None });
    }
    let range = here().next()?;
    let weak = overlap(range).map(|held| {
        format!(
            "workers have ids from {} to {}, which overlap {}: whoever has those can end workers; register a range that nobody \
             has, as a line {OWNER}:FIRST:{COUNT} in /etc/subuid and in /etc/subgid",
            range.first,
            range.last(),
            describe(held)
        )
    });
    Some(Chosen { range, weak })
}

/// Whether one line of an id map (user_namespaces(7): inside, outside, count) holds all ids of the range.
fn maps_all(map: &str, range: Range) -> bool {
    let Span { first, end } = range.span();
    map.lines().any(|line| {
        let numbers: Option<Vec<u64>> = line.split_whitespace().map(|number| number.parse().ok()).collect();
        matches!(numbers.as_deref(), Some([inside, _, count]) if *inside <= first && end <= inside.saturating_add(*count))
    })
}

/// The ranges that are registered for Sandhog, for users and groups alike, the largest one first.
fn registered(files: Files<'_>) -> Vec<Range> {
    let is_ours = |owner: &str| is_ours(owner, files.passwd);
    let of = |text, file| subordinate(text, file).filter(|held| is_ours(&held.by)).map(|held| held.span);
    let groups: Vec<Span> = of(files.subgid, "/etc/subgid").collect();
    let users = of(files.subuid, "/etc/subuid");
    let mut both: Vec<Range> =
        users.flat_map(|user| groups.iter().filter_map(move |group| user.common(*group))).collect();
    both.sort_by_key(|range| std::cmp::Reverse(range.count));
    both
}

/// By name, or by the number of the account of that name.
fn is_ours(owner: &str, passwd: &str) -> bool {
    let by_number = || accounts(passwd).any(|(name, [uid, _])| name == OWNER && uid.to_string() == owner);
    owner == OWNER || by_number()
}

/// What everybody but Sandhog has.
fn others(files: Files<'_>) -> Vec<Held> {
    let one = |by: &str, file, id: u64| Some(Held { by: by.into(), file, span: Span::new(id, 1)? });
    let subordinate = [(files.subuid, "/etc/subuid"), (files.subgid, "/etc/subgid")]
        .into_iter()
        .flat_map(|(text, file)| subordinate(text, file))
        .filter(|held| !is_ours(&held.by, files.passwd));
    let accounts =
        accounts(files.passwd).flat_map(|(name, ids)| ids.map(|id| one(name, "/etc/passwd", id.into()))).flatten();
    let groups = files.group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        one(fields.next()?, "/etc/group", fields.nth(1)?.parse().ok()?)
    });
    subordinate.chain(accounts).chain(groups).collect()
}

/// The lines `OWNER:FIRST:COUNT`; a line that is none gives nobody anything.
fn subordinate<'a>(text: &'a str, file: &'static str) -> impl Iterator<Item = Held> + 'a {
    text.lines().filter_map(move |line| {
        let mut fields = line.split(':');
        let (by, first, count) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let span = fields.next().is_none().then(|| Span::new(first, count)).flatten()?;
        (!by.is_empty()).then(|| Held { by: by.into(), file, span })
    })
}

/// Names, with the ids of user and group.
fn accounts(passwd: &str) -> impl Iterator<Item = (&str, [u32; 2])> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, [fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?]))
    })
}

fn describe(held: &Held) -> String {
    let Held { by, file, span: Span { first, end } } = held;
    let by: String = by.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { '?' }).take(64).collect();
    if *end == first + 1 {
        format!("the id {first} of {by} ({file})")
    } else {
        format!("{first} to {} of {by} ({file})", end - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 2] = ["         0          0 4294967295\n"; 2];
    const DEFAULT: Range = Range { first: 0x7000_0000, count: 65_536 };

    fn chosen(subuid: &str, subgid: &str, passwd: &str, group: &str) -> Chosen {
        choose(Files { subuid, subgid, passwd, group }, ALL).unwrap()
    }

    #[test]
    fn a_common_machine_has_a_range_that_nobody_has() {
        let three = "anna:100000:65536\nbert:165536:65536\ncarl:231072:65536\n";
        let passwd = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        let chosen = chosen(three, three, passwd, "root:x:0:\nanna:x:1000:\n");
        assert_eq!(chosen, Chosen { range: DEFAULT, weak: None });
        assert!([100_000, 200_000, 265_535].iter().all(|id| !chosen.range.contains(*id)));
    }

    #[test]
    fn a_registered_range_is_taken_where_users_and_groups_have_it() {
        let range = |subuid, subgid, passwd| chosen(subuid, subgid, passwd, "").range;
        let registered = Range { first: 300_001, count: 1000 };
        assert_eq!(range("sandhog:300001:1000", "sandhog:300001:1000\n", ""), registered);
        assert_eq!(range("sandhog:300001:5000", "sandhog:299000:2001", ""), registered);
        assert_eq!(range("sandhog:300001:1000", "", ""), DEFAULT);
        assert_eq!(range("sandhog:300001:1000", "sandhog:400000:1000", ""), DEFAULT);
        assert_eq!(range("sandhog:300001:1", "sandhog:300001:1", ""), DEFAULT);
        // By the number of its account, but not by any number.
        let passwd = "sandhog:x:998:997::/var/lib/sandhog:/usr/sbin/nologin\n";
        assert_eq!(range("998:300001:1000", "sandhog:300001:1000", passwd), registered);
        assert_eq!(range("998:300001:1000", "sandhog:300001:1000", ""), DEFAULT);
        // Of several the largest.
        assert_eq!(range("sandhog:7000:10\nsandhog:300001:1000", "sandhog:1:1000000", ""), registered);
    }

    #[test]
    fn a_registered_range_that_somebody_else_has_too_is_weak() {
        let sub = "sandhog:100000:65536\nanna:165535:65536\n";
        let chosen = chosen(sub, "sandhog:100000:65536\n", "", "");
        assert_eq!(chosen.range, Range { first: 100_000, count: 65_536 });
        let reason = chosen.weak.unwrap();
        assert!(
            reason.contains("100000 to 165535") && reason.contains("165535 to 231070 of anna (/etc/subuid)"),
            "{reason}"
        );
    }

    #[test]
    fn each_file_tells_of_ids_that_others_have() {
        let next = Range { first: 0x7001_0000, ..DEFAULT };
        let second =
            |subuid, subgid, passwd, group| chosen(subuid, subgid, passwd, group) == Chosen { range: next, weak: None };
        assert!(second("anna:1879048192:1", "", "", ""));
        assert!(second("", "anna:1879113727:1", "", ""));
        assert!(second("", "", "anna:x:1879048200:1000::/:", ""));
        assert!(second("", "", "anna:x:1000:1879048200::/:", ""));
        assert!(second("", "", "", "staff:x:1879048200:anna"));
        // Right before it, and right behind it.
        let beside = "anna:1:1879048191\n";
        assert_eq!(chosen(beside, "anna:1879113728:1", "", "").range, DEFAULT);
    }

    #[test]
    fn where_somebody_has_them_all_it_says_how_to_register_some() {
        let all = "anna:1:4294967295\n";
        let chosen = chosen(all, all, "", "");
        assert_eq!(chosen.range, DEFAULT);
        let reason = chosen.weak.unwrap();
        for part in ["1 to 4294967294 of anna (/etc/subuid)", "sandhog:FIRST:65536", "/etc/subgid"] {
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn a_line_that_is_none_gives_nobody_anything() {
        let torn = "\n#\nanna\nanna:1\nanna:1:\n:1879048192:65536\nanna:-1:5\nanna:1879048192:0\nanna:1:2:3\nanna: 1879048192:1\n\
                    anna:0x70000000:1\nanna:99999999999999999999999:1\nanna:1879048192:99999999999999999999999\n";
        assert_eq!(chosen(torn, torn, torn, torn), Chosen { range: DEFAULT, weak: None });
        assert!(subordinate(torn, "").next().is_none());
    }

    #[test]
    fn ids_end_before_the_last_number_and_never_hold_root() {
        let range = |line: &str| chosen(line, line, "", "").range;
        assert_eq!(range("sandhog:4294967290:100"), Range { first: 4_294_967_290, count: 5 });
        assert_eq!(range("sandhog:4294967290:18446744073709551615").last(), u32::MAX - 1);
        assert_eq!(range("sandhog:4294967294:5"), DEFAULT);
        assert_eq!(range("sandhog:4294967295:5"), DEFAULT);
        assert_eq!(range("sandhog:18446744073709551615:18446744073709551615"), DEFAULT);
        assert_eq!(range("sandhog:0:1000"), Range { first: 1, count: 999 });
        assert!(!range("sandhog:0:4294967295").contains(0) && !range("sandhog:0:4294967295").contains(u32::MAX));
    }

    #[test]
    fn in_a_user_namespace_the_range_is_one_that_it_has() {
        let one = "0 1000 1\n1 100000 300000\n";
        let choose = |map| choose(Files::default(), [map, map]);
        assert_eq!(choose(one).unwrap().range, Range { first: 200_000, count: 65_536 });
        assert_eq!(choose("0 1000 1\n1 100000 65536\n"), None);
        assert_eq!(choose(""), None);
        assert_eq!(choose("0 0\n0 0 many\n0 0 4294967295 1\n"), None);
        assert_eq!(choose("0 0 18446744073709551615").unwrap().range, DEFAULT);
        let ours = "sandhog:500:600\n";
        let registered = |map| super::choose(Files { subuid: ours, subgid: ours, ..Files::default() }, [map, map]);
        assert_eq!(registered("0 100000 65536").unwrap().range, Range { first: 500, count: 600 });
        assert_eq!(registered("0 100000 1099"), None, "one too few");
        // Users have it and groups don't.
        assert_eq!(super::choose(Files::default(), ["0 0 4294967295", "0 0 1"]), None);
    }
}
