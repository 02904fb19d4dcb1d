//! A packet of a connection, and a batch of a guest's: what is accepted has the messages that it says it has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandhog_protocol::limits;
use sandhog_protocol::message::{Batch, Head, Item, Packet, check, check_batch};

fuzz_target!(|packet: &[u8]| {
    if let Ok(count) = check_batch(packet) {
        // What a guest may send, its receiver takes.
        assert!(matches!(Packet::parse(packet), Ok(Packet::Messages { count: parsed, .. }) if parsed == count));
    }
    match Packet::parse(packet) {
        Ok(Packet::Messages { count, items }) => {
            let (mut rest, mut again) = (&packet[items], Batch::default());
            let mut fits = true;
            for _ in 0..count {
                let (item, after) = Item::read(rest).unwrap();
                assert!(check(item.format, item.body).is_ok());
                let head = Head::alone(item.format, item.body.len());
                let alone = [head.as_bytes(), item.body].concat();
                let Ok(Packet::Messages { count: 1, items }) = Packet::parse(&alone) else { panic!("{item:?}") };
                assert_eq!(Item::read(&alone[items]).unwrap(), (item, &[][..]));
                fits &= again.push(item.format, item.body);
                rest = after;
            }
            assert!(count > 0 && rest.is_empty());
            if fits {
                assert_eq!(again.count(), count);
                let again = again.as_bytes().unwrap();
                assert!(matches!(Packet::parse(again), Ok(Packet::Messages { count: parsed, .. }) if parsed == count));
            }
        }
        Ok(Packet::WithHandle { item }) => {
            let (_, after) = Item::read(&packet[item]).expect("it was checked");
            assert!(after.is_empty());
        }
        Ok(Packet::First { length, body, .. }) => {
            assert!(body.len() < length && length <= limits::MESSAGE && body.end == packet.len());
        }
        Ok(Packet::Begin { length, body, .. }) => {
            assert!(body.len() == limits::INLINE_PAYLOAD && body.len() < length && length <= limits::MESSAGE);
            assert!(body.end == packet.len());
        }
        Ok(Packet::Piece { body }) => {
            assert!(!body.is_empty() && body.len() <= limits::INLINE_PAYLOAD && body.end == packet.len());
        }
        Ok(Packet::GivenUp) => assert!(packet.len() <= 6),
        Err(_) => {}
    }
});
