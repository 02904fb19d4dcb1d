use super::*;

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::new(expression, Some(zone), false).unwrap()
}

fn refusal(expression: &str) -> String {
    Schedule::new(expression, None, false).unwrap_err().to_string()
}

fn at(text: &str) -> Timestamp {
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
        runs.push(next.to_zoned_datetime(schedule.time_zone.clone()).strftime("%m-%d %H:%M:%S %Z").to_string());
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
    assert_eq!(Schedule::new("@daily", None, true).unwrap().time_zone, TimeZone::UTC);
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
            let end = start + SignedDuration::from_hours(6);
            let mut moment = start;
            while let Some(next) = schedule.next(moment).filter(|next| *next <= end) {
                runs.push(next);
                moment = next;
            }
            for minute in 1..=360 {
                let moment = start + SignedDuration::from_mins(minute);
                let shown = schedule.time_zone.to_datetime(moment);
                let fits_hour = minutes == 7 || [1, 2, 3].contains(&shown.hour());
                if shown.minute() % minutes == 0 && fits_hour {
                    expected.push(moment);
                }
            }
            assert_eq!(runs, expected, "{expression} from {start}");
        }
    }
}

/// Field, and what it says of a number.
type Says = (&'static str, fn(i8) -> bool);

const DAYS: [Says; 10] = [
    ("*", |_| true),
    ("*/2", |day| day % 2 == 1),
    ("*,10", |_| true),
    ("*/10,5", |day| day % 10 == 1 || day == 5),
    ("10,*", |_| true),
    ("13", |day| day == 13),
    ("1-7", |day| day <= 7),
    ("1-31/15,30", |day| [1, 16, 30, 31].contains(&day)),
    ("29,30,31", |day| day >= 29),
    ("20/5", |day| day == 20 || day == 25 || day == 30),
];

/// The days from Sunday on.
const WEEKDAYS: [Says; 12] = [
    ("*", |_| true),
    ("*/2", |day| day % 2 == 0),
    ("*/7", |day| day == 0),
    ("*,mon", |_| true),
    ("1", |day| day == 1),
    ("7", |day| day == 0),
    ("FRI", |day| day == 5),
    ("Mon-Fri", |day| (1..=5).contains(&day)),
    ("fri-sun", |day| day >= 5 || day == 0),
    ("5-7", |day| day >= 5 || day == 0),
    ("SUN-TUE,6", |day| day <= 2 || day == 6),
    ("1-7/3", |day| day == 1 || day == 4 || day == 0),
];

const MONTHS: [Says; 5] = [
    ("*", |_| true),
    ("*/5", |month| month % 5 == 1),
    ("feb", |month| month == 2),
    ("JAN-mar,DEC", |month| month <= 3 || month == 12),
    ("2-12/100", |month| month == 2),
];

#[test]
fn the_days_are_those_of_cron_for_every_pair_of_day_fields_over_years() {
    for (day, fits_day) in DAYS {
        for (weekday, fits_weekday) in WEEKDAYS {
            for (month, fits_month) in MONTHS {
                // crontab(5): a day field that begins with a star restricts nothing of itself, so both have to fit.
                let both = day.starts_with('*') || weekday.starts_with('*');
                let fits = |date: Timestamp| {
                    let date = TimeZone::UTC.to_datetime(date);
                    let (one, other) = (fits_day(date.day()), fits_weekday(date.weekday().to_sunday_zero_offset()));
                    fits_month(date.month()) && if both { one && other } else { one || other }
                };
                let expression = format!("0 0 {day} {month} {weekday}");
                // A leap year in the middle.
                let (start, days) = (at("2027-01-01T00:00:00Z"), 3 * 365 + 1);
                let all = (1..days).map(|days| start + SignedDuration::from_hours(24 * days));
                let expected: Vec<_> = all.filter(|date| fits(*date)).collect();
                let schedule = schedule(&expression, "UTC");
                let (mut runs, mut moment) = (Vec::new(), start);
                while let Some(next) =
                    schedule.next(moment).filter(|next| *next < start + SignedDuration::from_hours(24 * days))
                {
                    runs.push(next);
                    moment = next;
                }
                assert_eq!(runs, expected, "{expression}");
            }
        }
    }
}

#[test]
fn a_day_field_that_begins_with_a_star_restricts_nothing() {
    assert_eq!(
        runs("0 0 */2 * 1", "Europe/Berlin", "2026-11-29T00:00:00Z", 3),
        ["12-07 00:00:00 CET", "12-21 00:00:00 CET", "01-11 00:00:00 CET"]
    );
    // Neither begins with one: either will do.
    assert_eq!(
        runs("0 0 1-31/2 * 1", "UTC", "2026-11-29T12:00:00Z", 3),
        ["11-30 00:00:00 UTC", "12-01 00:00:00 UTC", "12-03 00:00:00 UTC"]
    );
}

#[test]
fn lists_steps_and_names_are_as_cron_has_them() {
    for (one, other) in [
        ("*,10 * * * *", "* * * * *"),
        ("*/20,15 3 * * *", "0,15,20,40 3 * * *"),
        ("*/100 * * * *", "0 * * * *"),
        ("50/3 * * * *", "50,53,56,59 * * * *"),
        ("5-10/5 1-2 * * *", "5,10 1,2 * * *"),
        ("00 007 * * *", "0 7 * * *"),
        ("0 0 1 jan,Feb *", "0 0 1 1,2 *"),
        ("0 0 * * SUN-MON", "0 0 * * 0,1"),
        ("*/30,7 * * * * *", "0,7,30 * * * * *"),
    ] {
        let (start, more) = ("2026-01-01T00:00:00Z", 200);
        assert_eq!(runs(one, "UTC", start, more), runs(other, "UTC", start, more), "{one}");
    }
}

#[test]
fn rare_days_are_found() {
    assert_eq!(runs("0 0 29 2 *", "Europe/Berlin", "2096-03-01T00:00:00Z", 1), ["02-29 00:00:00 CET"]);
    let schedule = schedule("0 12 29 2 +MON", "America/New_York");
    assert_eq!(schedule.next(at("2072-03-01T00:00:00Z")), Some(at("2112-02-29T17:00:00Z")));
    assert_eq!(schedule.next(at("5000-01-01T00:00:00Z")), None);
    assert_eq!(schedule.next(Timestamp::MAX), None);
}

#[test]
fn last_days_nearest_workdays_and_nth_weekdays_are_what_they_are_called() {
    for (fields, days) in [
        ("L * *", ["01-31", "02-28", "03-31"]),
        ("L,1 * *", ["01-31", "02-01", "02-28"]),
        // A Sunday's is the Monday behind it, a Saturday's the Friday before.
        ("15w 2,3,8 *", ["02-16", "03-16", "08-14"]),
        ("28W * *", ["01-28", "02-27", "03-27"]),
        // In the same month: 1 August 2026 is a Saturday, 31 May a Sunday, and 31 January a Saturday.
        ("1W 7-10 *", ["07-01", "08-03", "09-01"]),
        ("31W * *", ["01-30", "03-31", "05-29"]),
        ("30W 1-5 *", ["01-30", "03-30", "04-30"]),
        ("* * MON#2", ["01-12", "02-09", "03-09"]),
        ("* * fri#5", ["01-30", "05-29", "07-31"]),
        ("* * SAT-SUN#1", ["01-03", "01-04", "02-01"]),
        ("* * 5L", ["01-30", "02-27", "03-27"]),
        ("* * 5#L", ["01-30", "02-27", "03-27"]),
        ("* * SUNL", ["01-25", "02-22", "03-29"]),
        ("* * 7L", ["01-25", "02-22", "03-29"]),
        ("13 * +FRI", ["02-13", "03-13", "11-13"]),
        ("13 2-4 FRI#1", ["02-06", "02-13", "03-06"]),
        ("? * MON#1", ["01-05", "02-02", "03-02"]),
        ("?/2 * 1", ["01-05", "01-19", "02-09"]),
        ("29-31 * ?", ["01-29", "01-30", "01-31"]),
    ] {
        let expected = days.map(|day| format!("{day} 00:00:00 UTC"));
        assert_eq!(runs(&format!("0 0 {fields}"), "UTC", "2026-01-01T12:00:00Z", 3), expected, "{fields}");
    }
}

#[test]
fn a_zone_has_one_name() {
    let schedule = schedule("@daily", "Europe/Berlin");
    assert_eq!(schedule.time_zone_name(), "Europe/Berlin");
    for other in ["europe/berlin", "EUROPE/BERLIN", "utc", "Etc/Unknown"] {
        let refusal = Schedule::new("@daily", Some(other), false).unwrap_err();
        assert!(matches!(refusal.reason, Reason::TimeZone { .. }), "{other}");
    }
    assert_eq!(Schedule::new("@daily", None, false).unwrap().time_zone_name(), "UTC");
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
        ("*- * * * *", "the minute \"*-\" is none"),
        ("*-5 * * * *", "the minute \"*-5\" is none"),
        ("** * * * *", "the minute \"**\" is none"),
        ("*5 * * * *", "the minute \"*5\" is none"),
        ("1,,2 * * * *", "the minute \"1,,2\" is none"),
        (", * * * *", "the minute \",\" is none"),
        ("1, * * * *", "the minute \"1,\" is none"),
        ("*/ * * * *", "the minute \"*/\" is none"),
        ("*/-5 * * * *", "the minute \"*/-5\" is none"),
        ("*/5/2 * * * *", "the minute \"*/5/2\" is none"),
        ("+5 * * * *", "the minute \"+5\" is none"),
        ("MON * * * *", "the minute \"MON\" is none"),
        ("0 FEB * * *", "the hour \"FEB\" is none"),
        ("0 0 * MON *", "the month \"MON\" is none"),
        ("0 0 * * JAN", "the day of the week \"JAN\" is none"),
        ("0 0 * * MONDAY", "the day of the week \"MONDAY\" is none"),
        ("0 0 40W * *", "the day of the month \"40W\" is none"),
        ("0 0 * * MON#6", "the day of the week \"MON#6\" is none"),
        ("0 0 * * MON#0", "the day of the week \"MON#0\" is none"),
        ("0 0 * * 1#2#3", "the day of the week \"1#2#3\" is none"),
        ("0 0 * * *#1", "the day of the week \"*#1\" is none"),
        ("0 0 * * 1-5L", "the day of the week \"1-5L\" is none"),
        ("0 0 * * L", "the day of the week \"L\" is none"),
        ("0 0 * * +", "the day of the week \"+\" is none"),
        ("0 0 * * 1,+2", "the day of the week \"1,+2\" is none"),
        ("0 0 * * 1,?", "the day of the week \"1,?\" is none"),
        ("0 0 15W3 * *", "the day of the month \"15W3\" is none"),
        ("0 0 LW * *", "the day of the month \"LW\" is none"),
        ("0 0 5L * *", "the day of the month \"5L\" is none"),
        ("0 0 ?,1 * *", "the day of the month \"?,1\" is none"),
        ("L * * * *", "the minute \"L\" is none"),
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
    assert_eq!(refusal("").setting, Setting::TimeZone);
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
