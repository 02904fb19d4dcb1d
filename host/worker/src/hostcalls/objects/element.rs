//! What a value or an array is made of, as the interface has it.

use sandhog_protocol::objects;
use wasmtime::component::{ComponentType, Lift, Lower};

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Element {
    #[component(name = "i8")]
    I8,
    #[component(name = "u8")]
    U8,
    #[component(name = "i16")]
    I16,
    #[component(name = "u16")]
    U16,
    #[component(name = "i32")]
    I32,
    #[component(name = "u32")]
    U32,
    #[component(name = "i64")]
    I64,
    #[component(name = "u64")]
    U64,
    #[component(name = "f32")]
    F32,
    #[component(name = "f64")]
    F64,
}

impl Element {
    /// None: there is none of this number.
    pub(super) fn numbered(number: u32) -> Option<Self> {
        let all = [
            Self::I8,
            Self::U8,
            Self::I16,
            Self::U16,
            Self::I32,
            Self::U32,
            Self::I64,
            Self::U64,
            Self::F32,
            Self::F64,
        ];
        all.get(usize::try_from(number).ok()?).copied()
    }
}

macro_rules! same {
    ($($name:ident)+) => {
        impl From<Element> for objects::Element {
            fn from(element: Element) -> Self {
                match element {
                    $(Element::$name => Self::$name,)+
                }
            }
        }

        impl From<objects::Element> for Element {
            fn from(element: objects::Element) -> Self {
                match element {
                    $(objects::Element::$name => Self::$name,)+
                }
            }
        }
    };
}

same! { I8 U8 I16 U16 I32 U32 I64 U64 F32 F64 }
