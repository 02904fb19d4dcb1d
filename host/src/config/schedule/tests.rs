use super::*;

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::new(expression, Some(zone), false).unwrap()
}

fn refusal(expression: &str) -> String {
    Schedule::new(expression, None, false).unwrap_err().to_string()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Its runs after a moment, as the zone's clock shows them.
fn runs(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    let mut moment = at(after);
    let mut runs = Vec::new();
    for _ in 0..count {
        let next = schedule.next(moment).unwrap();
        assert!(next > moment);
        runs.push(next.with_timezone(&schedule.time_zone).format("%m-%d %H:%M:%S %Z").to_string());
        moment = next;
    }
    runs
}

#[test]
fn five_fields_six_and_nicknames_are_schedules() {
    assert_eq!(runs("30 2 * * *", "UTC", "2026-01-01T00:00:00Z", 2), ["01-01 02:30:00 UTC", "01-02 02:30:00 UTC"]);
    assert_eq!(runs("*/20 * * * * *", "UTC", "2026-01-01T00:00:00Z", 3)[2], "01-01 00:01:00 UTC");
    assert_eq!(runs("0 9 * * MON-FRI", "UTC", "2026-01-02T10:00:00Z", 1), ["01-05 09:00:00 UTC"]);
    assert_eq!(runs("0 0 L * *", "UTC", "2028-02-01T00:00:00Z", 1), ["02-29 00:00:00 UTC"]);
    for (nickname, run) in [
        ("@hourly", "01-01 01:00:00 UTC"),
        ("@daily", "01-02 00:00:00 UTC"),
        ("@MIDNIGHT", "01-02 00:00:00 UTC"),
        ("@weekly", "01-04 00:00:00 UTC"),
        ("@monthly", "02-01 00:00:00 UTC"),
        ("@yearly", "01-01 00:00:00 UTC"),
        ("@annually", "01-01 00:00:00 UTC"),
    ] {
        assert_eq!(runs(nickname, "UTC", "2026-01-01T00:00:00Z", 1), [run], "{nickname}");
    }
}

#[test]
fn the_zone_is_utc_where_none_is_given() {
    assert_eq!(Schedule::new("@daily", None, true).unwrap().time_zone, Tz::UTC);
}

#[test]
fn a_run_is_after_the_moment_and_at_a_whole_second() {
    let schedule = schedule("0 12 * * *", "UTC");
    assert_eq!(schedule.next(at("2026-01-01T12:00:00Z")), Some(at("2026-01-02T12:00:00Z")));
    assert_eq!(schedule.next(at("2026-01-01T11:59:59.999Z")), Some(at("2026-01-01T12:00:00Z")));
    assert_eq!(schedule.next(at("2026-01-01T12:00:00.001Z")), Some(at("2026-01-02T12:00:00Z")));
    assert_eq!(schedule.next(at("1969-12-31T11:59:59.5Z")), Some(at("1969-12-31T12:00:00Z")));
}

#[test]
fn a_time_of_day_that_is_skipped_in_march_comes_right_after_the_gap() {
    // 29 March 2026: 01:59:59 CET is followed by 03:00:00 CEST.
    assert_eq!(
        runs("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
        ["03-28 02:30:00 CET", "03-29 03:00:00 CEST", "03-30 02:30:00 CEST"]
    );
    assert_eq!(
        runs("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", 3),
        ["03-29 03:00:00 CEST", "03-29 03:30:00 CEST", "03-30 02:00:00 CEST"]
    );
}

#[test]
fn a_time_of_day_that_is_shown_twice_in_october_comes_once() {
    // 25 October 2026: 02:59:59 CEST is followed by 02:00:00 CET.
    let once = ["10-25 02:30:00 CEST", "10-26 02:30:00 CET"];
    assert_eq!(runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), once);
    // Asked for between the two, and in the repeated hour.
    for after in ["2026-10-25T00:45:00Z", "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"] {
        assert_eq!(runs("30 2 * * *", "Europe/Berlin", after, 1), once[1..], "{after}");
    }
    assert_eq!(
        runs("0-59 0-59 2 * * *", "Europe/Berlin", "2026-10-25T00:59:58Z", 2),
        ["10-25 02:59:59 CEST", "10-26 02:00:00 CET"]
    );
}

#[test]
fn what_follows_the_clock_skips_in_march_and_repeats_in_october() {
    assert_eq!(
        runs("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
        ["03-29 01:30:00 CET", "03-29 03:00:00 CEST", "03-29 03:30:00 CEST"]
    );
    assert_eq!(
        runs("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 6),
        [
            "10-25 02:00:00 CEST",
            "10-25 02:30:00 CEST",
            "10-25 02:00:00 CET",
            "10-25 02:30:00 CET",
            "10-25 03:00:00 CET",
            "10-25 03:30:00 CET"
        ]
    );
    // Far from each other in the year, near at the night itself.
    assert_eq!(
        runs("*/30 2 25 10 *", "Europe/Berlin", "2026-10-25T00:30:00Z", 3),
        ["10-25 02:00:00 CET", "10-25 02:30:00 CET", "10-25 02:00:00 CEST"]
    );
    assert_eq!(runs("* 2 29 3 *", "Europe/Berlin", "2026-01-01T00:00:00Z", 1), ["03-29 02:00:00 CEST"]);
}

#[test]
fn midnight_comes_where_the_clock_skips_it() {
    // 24 April 2026: 23:59:59 is followed by 01:00:00.
    assert_eq!(
        runs("@daily", "Africa/Cairo", "2026-04-23T12:00:00Z", 2),
        ["04-24 01:00:00 EEST", "04-25 00:00:00 EEST"]
    );
}

#[test]
fn every_second_that_fits_is_a_run_and_no_other_through_a_year_of_settings() {
    // Against what the clock shows, second by second around the settings.
    for (expression, minutes) in [("*/7 * * * *", 7), ("*/20 1-3 * * *", 20)] {
        let schedule = schedule(expression, "Europe/Berlin");
        for start in ["2026-03-28T23:00:00Z", "2026-10-24T22:00:00Z"] {
            let (start, mut runs, mut expected) = (at(start), Vec::new(), Vec::new());
            let end = start + TimeDelta::hours(6);
            let mut moment = start;
            while let Some(next) = schedule.next(moment).filter(|next| *next <= end) {
                runs.push(next);
                moment = next;
            }
            for minute in 1..=360 {
                let moment = start + TimeDelta::minutes(minute);
                let shown = moment.with_timezone(&Tz::Europe__Berlin);
                let fits_hour = minutes == 7 || ["01", "02", "03"].contains(&&*shown.format("%H").to_string());
                let shown: i64 = shown.format("%M").to_string().parse().unwrap();
                if shown % minutes == 0 && fits_hour {
                    expected.push(moment);
                }
            }
            assert_eq!(runs, expected, "{expression} from {start}");
        }
    }
}

#[test]
fn rare_days_are_found() {
    assert_eq!(runs("0 0 29 2 *", "Europe/Berlin", "2096-03-01T00:00:00Z", 1), ["02-29 00:00:00 CET"]);
    let schedule = schedule("0 12 29 2 +MON", "America/New_York");
    assert_eq!(schedule.next(at("2072-03-01T00:00:00Z")), Some(at("2112-02-29T17:00:00Z")));
    assert_eq!(schedule.next(at("5000-01-01T00:00:00Z")), None);
    assert_eq!(schedule.next(DateTime::<Utc>::MAX_UTC), None);
}

#[test]
fn what_was_missed_is_what_lies_between() {
    let schedule = schedule("0 3 * * *", "Europe/Berlin");
    assert!(schedule.was_due(at("2026-01-01T01:59:59Z"), at("2026-01-01T02:00:00Z")));
    assert!(!schedule.was_due(at("2026-01-01T02:00:00Z"), at("2026-01-02T01:59:59Z")));
    assert!(schedule.was_due(at("2026-01-01T02:00:00Z"), at("2026-06-01T00:00:00Z")));
    assert!(!schedule.was_due(at("2026-01-02T00:00:00Z"), at("2026-01-01T00:00:00Z")));
}

#[test]
fn a_day_that_never_comes_is_refused() {
    for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 31 FEB ?"] {
        assert_eq!(refusal(never), format!("schedule \"{never}\": there is no such day, so it never comes"));
    }
}

#[test]
fn what_is_no_schedule_is_told_what_is() {
    assert_eq!(refusal(" "), "schedule: nothing is given; write five fields, such as \"30 2 * * *\"");
    assert_eq!(
        refusal("* * *"),
        "schedule \"* * *\": 3 fields; write minute, hour, day of the month, month and day of the week, such as \
         \"30 2 * * *\", or six with the second in front"
    );
    assert!(refusal("* * * * * * *").starts_with("schedule \"* * * * * * *\": 7 fields; "));
    assert_eq!(
        refusal("@reboot"),
        "schedule \"@reboot\": write one of @yearly, @monthly, @weekly, @daily and @hourly, or five fields"
    );
    assert_eq!(refusal(&"1,".repeat(400)), "schedule: 800 bytes are more than 512");
    for (expression, what) in [
        ("61 * * * *", "the minute \"61\" is none; write *, 0 to 59"),
        ("0 24 * * *", "the hour \"24\" is none; write *, 0 to 23"),
        ("0 0 0 * *", "the day of the month \"0\" is none; write *, 1 to 31, or L for the last day"),
        ("0 0 * FOO *", "the month \"FOO\" is none; write *, 1 to 12, or JAN to DEC"),
        ("0 0 * * 8", "the day of the week \"8\" is none; write *, 0 (Sunday) to 7, or SUN to SAT"),
        ("99 0 0 * * *", "the second \"99\" is none; write *, 0 to 59"),
        ("*/0 * * * *", "the minute \"*/0\" is none; write *, 0 to 59"),
        ("5-1 * * * *", "the minute \"5-1\" is none; write *, 0 to 59"),
        ("\u{1b}[2J * * * *", "the minute \"\\u{1b}[2J\" is none; write *, 0 to 59"),
    ] {
        let sentence = refusal(expression);
        let start = format!("schedule \"{}\": {what}", escape(expression));
        assert!(sentence.starts_with(&start), "{sentence}");
    }
}

#[test]
fn an_unknown_time_zone_is_told_its_neighbour() {
    let refusal = |zone| Schedule::new("@daily", Some(zone), false).unwrap_err();
    assert_eq!(
        refusal("Europe/Berln").to_string(),
        "time_zone \"Europe/Berln\": there is no such time zone; did you mean Europe/Berlin?"
    );
    assert_eq!(
        refusal("\u{1b}").to_string(),
        "time_zone \"\\u{1b}\": there is no such time zone; write UTC, or one such as Europe/Berlin"
    );
    assert_eq!(refusal("").key(), "time_zone");
}

#[test]
fn random_expressions_never_panic_and_their_runs_come_later() {
    const PARTS: [&str; 28] = [
        "*",
        "/",
        "-",
        ",",
        "0",
        "1",
        "5",
        "9",
        "31",
        "60",
        "L",
        "W",
        "#",
        "?",
        "+",
        " ",
        " ",
        " ",
        "@",
        "MON",
        "FEB",
        "é",
        "\0",
        "99999999999",
        "LW",
        "7",
        "*/5",
        "ß",
    ];
    let mut seed = 42_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let moment = at("2026-10-25T00:30:00Z");
    for _ in 0..5_000 {
        let expression: String = (0..random(16)).map(|_| PARTS[random(PARTS.len())]).collect();
        let five: Vec<_> = (0..5).map(|_| PARTS[random(PARTS.len())]).collect();
        for expression in [expression, five.join(" ")] {
            if let Ok(schedule) = Schedule::new(&expression, Some("Europe/Berlin"), false) {
                assert!(schedule.next(moment).is_none_or(|next| next > moment), "{expression}");
            }
        }
    }
}
