use super::super::value;
use super::*;
use sandhog_protocol::message::Format;

fn line(format: Format, body: &[u8]) -> Result<String, value::Error> {
    let mut out = Vec::new();
    say(format, body)?.write(&mut out).unwrap();
    Ok(String::from_utf8(out).unwrap())
}

fn value(json: &str) -> Vec<u8> {
    let (format, body) = read(json.as_bytes()).unwrap();
    assert_eq!(format, Format::Value, "{json}");
    body
}

fn refusal(json: &str) -> String {
    sandhog_protocol::causes::one_line(&read(json.as_bytes()).unwrap_err())
}

/// Both ways.
fn is(json: &str, format: Format, body: &[u8]) {
    assert_eq!(line(format, body).unwrap(), json);
    let (back, bytes) = read(json.as_bytes()).unwrap();
    assert_eq!((back, bytes.as_slice()), (format, body), "{json}: {bytes:x?}");
}

#[test]
fn each_format_has_its_form() {
    is(r#"{"$bytes":"AAH/"}"#, Format::Bytes, b"\0\x01\xff");
    is(r#"{"$bytes":""}"#, Format::Bytes, b"");
    is(r#"{"$failure":"no \"such\" file\n"}"#, Format::Failure, b"no \"such\" file\n");
    is(r#"{"a":1}"#, Format::Value, b"\x81\xa1a\x01");
}

#[test]
fn what_json_has_is_said_in_jsons_words() {
    for (json, body) in [
        ("null", &b"\xc0"[..]),
        ("true", b"\xc3"),
        ("false", b"\xc2"),
        ("0", b"\0"),
        ("127", b"\x7f"),
        ("128", b"\xcc\x80"),
        ("256", b"\xcd\x01\0"),
        ("65536", b"\xce\0\x01\0\0"),
        ("18446744073709551615", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("-1", b"\xff"),
        ("-32", b"\xe0"),
        ("-33", b"\xd0\xdf"),
        ("-129", b"\xd1\xff\x7f"),
        ("-32769", b"\xd2\xff\xff\x7f\xff"),
        ("-9223372036854775808", b"\xd3\x80\0\0\0\0\0\0\0"),
        ("0.5", b"\xcb\x3f\xe0\0\0\0\0\0\0"),
        ("1.0", b"\xcb\x3f\xf0\0\0\0\0\0\0"),
        ("-0.0", b"\xcb\x80\0\0\0\0\0\0\0"),
        (r#""ä\"\\\u0001""#, b"\xa5\xc3\xa4\"\\\x01"),
        ("[]", b"\x90"),
        ("[1,[2]]", b"\x92\x01\x91\x02"),
        ("{}", b"\x80"),
        (r#"{"z":1,"a":{"b":null}}"#, b"\x82\xa1z\x01\xa1a\x81\xa1b\xc0"),
    ] {
        is(json, Format::Value, body);
    }
}

#[test]
fn what_json_has_no_words_for_is_said_by_ours() {
    for (json, body) in [
        (r#"[{"$bytes":"/w=="}]"#, &b"\x91\xc4\x01\xff"[..]),
        (r#"{"$value":{"$bytes":"/w=="}}"#, b"\xc4\x01\xff"),
        (r#"{"$ext":[5,"AQI="]}"#, b"\xc7\x02\x05\x01\x02"),
        (r#"{"$ext":[-1,""]}"#, b"\xc7\x00\xff"),
        (r#"{"$float":"nan"}"#, b"\xcb\x7f\xf8\0\0\0\0\0\0"),
        (r#"[{"$float":"inf"},{"$float":"-inf"}]"#, b"\x92\xcb\x7f\xf0\0\0\0\0\0\0\xcb\xff\xf0\0\0\0\0\0\0"),
        (r#"{"$map":[[1,"a"],["b",2]]}"#, b"\x82\x01\xa1a\xa1b\x02"),
        (r#"{"$map":[[{"$map":[[null,{}]]},{"a":1}]]}"#, b"\x81\x81\xc0\x80\x81\xa1a\x01"),
        // A guest's own key that looks like ours.
        (r#"{"$map":[["$bytes","x"]]}"#, b"\x81\xa6$bytes\xa1x"),
        (r#"{"$map":[["$failure","x"]]}"#, b"\x81\xa8$failure\xa1x"),
        (r#"{"$a":1,"$b":2}"#, b"\x82\xa2$a\x01\xa2$b\x02"),
    ] {
        is(json, Format::Value, body);
    }
}

#[test]
fn headers_grow_with_what_they_hold() {
    for length in [15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        let text = format!("\"{}\"", "x".repeat(length));
        assert_eq!(line(Format::Value, &value(&text)).unwrap(), text);
        let array = format!("[{}]", vec!["1"; length].join(","));
        assert_eq!(line(Format::Value, &value(&array)).unwrap(), array);
        let pairs: Vec<_> = (0..length).map(|key| format!("\"{key}\":0")).collect();
        let object = format!("{{{}}}", pairs.join(","));
        assert_eq!(line(Format::Value, &value(&object)).unwrap(), object);
        is(&line(Format::Bytes, &vec![7; length]).unwrap(), Format::Bytes, &vec![7; length]);
        let inner = [b"\x91".as_slice(), &value(&format!("[{}]", line(Format::Bytes, &vec![7; length]).unwrap()))[1..]];
        assert_eq!(value(&line(Format::Value, &inner.concat()).unwrap()), inner.concat());
    }
}

#[test]
fn other_forms_of_the_same_come_in_as_well() {
    assert_eq!(value(" [ 1 , 2 ] "), b"\x92\x01\x02");
    assert_eq!(value("1e2"), b"\xcb\x40\x59\0\0\0\0\0\0");
    assert_eq!(value(r#"{"$value":1}"#), b"\x01");
    assert_eq!(value(r#"{"$value":{"$map":[]}}"#), b"\x80");
    // f32 goes out as the same number.
    assert_eq!(line(Format::Value, b"\xca\x3f\0\0\0").unwrap(), "0.5");
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    assert!(refusal("{").starts_with("it is no JSON: "));
    assert!(refusal("1 2").starts_with("it is no JSON: "));
    for half in ["\\ud800", "\\udc00", "\\ud800\\u0041", "\\udbffx"] {
        assert!(refusal(&format!("\"{half}\"")).starts_with("half of a surrogate pair"), "{half}");
    }
    for huge in ["1e400", "-1e400", "[1e309]"] {
        assert!(refusal(huge).ends_with("is larger than a float of 64 bits"), "{huge}");
    }
    assert!(refusal("\"\u{1}\"").starts_with("it is no JSON: "));
    assert!(refusal(&"[".repeat(100_000)).starts_with("it is nested deeper than 127 levels"));
    assert!(read(b"\"\xff\"").is_err());
    assert_eq!(
        refusal(r#"[{"$byte":"x"}]"#),
        "an object whose only key is \"$byte\" means nothing; keys that begin with $ are ours"
    );
    assert_eq!(refusal(r#"{"$bytes":1}"#), "\"$bytes\" does not have what belongs to it");
    assert!(refusal(r#"{"$bytes":"x"}"#).starts_with("what \"$bytes\" has is not base64: "));
    assert!(refusal(r#"{"$bytes":"AAH/ "}"#).starts_with("what \"$bytes\" has is not base64: "));
    assert_eq!(refusal(r#"{"$failure":1}"#), "\"$failure\" does not have what belongs to it");
    assert_eq!(refusal(r#"[{"$failure":"x"}]"#), "\"$failure\" is a whole message, not a part of one");
    assert_eq!(refusal(r#"{"$value":{"$value":1}}"#), "\"$value\" is a whole message, not a part of one");
    for wrong in [
        r#"{"$ext":[128,""]}"#,
        r#"{"$ext":[1.0,""]}"#,
        r#"{"$ext":[1]}"#,
        r#"{"$ext":1}"#,
        r#"{"$float":1.0}"#,
        r#"{"$float":"NaN"}"#,
        r#"{"$map":{}}"#,
        r#"{"$map":[[1]]}"#,
        r#"{"$map":[1]}"#,
    ] {
        assert!(matches!(read(wrong.as_bytes()), Err(Error::Misused(_))), "{wrong}");
    }
}

#[test]
fn a_value_that_is_none_is_refused() {
    assert_eq!(line(Format::Value, b""), Err(value::Error::Torn));
    assert_eq!(line(Format::Value, b"\xc0\xc0"), Err(value::Error::Trailing(1)));
    assert_eq!(line(Format::Value, b"\x91\xc1"), Err(value::Error::Never));
    assert_eq!(line(Format::Value, b"\xa1\xff"), Err(value::Error::NotUtf8));
    let nested = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
    assert!(line(Format::Value, &nested(NESTING)).is_ok());
    assert_eq!(line(Format::Value, &nested(NESTING + 1)), Err(value::Error::TooDeep));
    assert_eq!(line(Format::Value, &nested(100_000)), Err(value::Error::TooDeep));
    let maps = [vec![0x81; 100_000], vec![0xc0]].concat();
    assert_eq!(line(Format::Value, &maps), Err(value::Error::TooDeep));
}

#[test]
fn random_values_never_panic_and_come_back_the_same() {
    let mut state = 9_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    const MARKERS: [u8; 12] = [0x80, 0x81, 0x82, 0x90, 0x92, 0xa1, 0xc4, 0xc7, 0xd4, 0xcb, 0xcd, 0xd1];
    let mut said = 0;
    for _ in 0..200_000 {
        let length = usize::from(random() % 20);
        let bytes: Vec<u8> = (0..length)
            .map(|_| if random() % 2 == 0 { MARKERS[usize::from(random()) % 12] } else { random() })
            .collect();
        let _ = read(&bytes);
        let Ok(json) = line(Format::Value, &bytes) else { continue };
        said += 1;
        let (format, back) = read(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
        // The bytes may be shorter; the text is the same.
        assert_eq!((format, line(Format::Value, &back).unwrap()), (Format::Value, json));
    }
    assert!(said > 1000, "{said}");
}
