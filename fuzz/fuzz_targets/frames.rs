//! A frame's body, whoever sends it: it is a message, and then it comes out again as it was, or it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandhog_protocol::frame::{decode_body, decode_hostile, encode_body};
use sandhog_protocol::spawn::{FromSpawner, FromZygote, Load, Loaded, ToSpawner, ToZygote};
use sandhog_protocol::worker::{FromWorker, ToWorker};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(body: &[u8]) {
    let Ok(message) = decode_body::<T>(body) else { return };
    // Names can be longer in our form than in another's.
    let Ok(ours) = encode_body(&message) else { return };
    assert_eq!(decode_body::<T>(&ours).unwrap(), message);
}

fuzz_target!(|body: &[u8]| {
    if let Ok(message) = decode_hostile::<FromWorker>(body) {
        assert_eq!(decode_body::<FromWorker>(body).unwrap(), message);
    }
    comes_back::<FromWorker>(body);
    comes_back::<ToWorker>(body);
    comes_back::<FromSpawner>(body);
    comes_back::<ToSpawner>(body);
    comes_back::<FromZygote>(body);
    comes_back::<ToZygote>(body);
    comes_back::<Load>(body);
    comes_back::<Loaded>(body);
});
