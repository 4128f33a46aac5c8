//! The figures of each AudioConverter, read from the cache when somebody asks: nothing has to be kept, and a resource that is
//! gone has none.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// The figures of one AudioConverter, as its status has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConverterFigures {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Pods that are wanted.
    pub desired: i64,
    /// Pods that take requests.
    pub ready: i64,
    /// Pods that finish their streams before they go.
    pub draining: i64,
    /// Live streams, where they are counted.
    pub streams: Option<i64>,
    /// Live streams that the ready pods can bear, where that is known.
    pub capacity: Option<i64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Converter {
    namespace: String,
    name: String,
}

type Read = Box<dyn Fn() -> Vec<ConverterFigures> + Send + Sync>;

/// Where the figures are read from; nowhere at first. Clones are one.
#[derive(Clone, Default)]
pub struct Converters(Arc<Mutex<Option<Read>>>);

impl Converters {
    /// Reads them from here from now on.
    pub fn read_from(&self, read: impl Fn() -> Vec<ConverterFigures> + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    fn read(&self) -> Vec<ConverterFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or_else(Vec::new, |read| read())
    }
}

impl fmt::Debug for Converters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converters").finish_non_exhaustive()
    }
}

/// A gauge's name, what it is, and its value.
type Gauge = (&'static str, &'static str, fn(&ConverterFigures) -> Option<i64>);

const GAUGES: [Gauge; 5] = [
    ("converter_replicas_desired", "Pods that an AudioConverter wants", |of| Some(of.desired)),
    ("converter_replicas_ready", "Pods of an AudioConverter that take requests", |of| Some(of.ready)),
    ("converter_replicas_draining", "Pods of an AudioConverter that finish their streams", |of| Some(of.draining)),
    ("converter_streams_active", "Live streams of an AudioConverter", |of| of.streams),
    ("converter_streams_capacity", "Live streams that an AudioConverter's pods can bear", |of| of.capacity),
];

impl Collector for Converters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let converters = self.read();
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for figures in &converters {
                let Some(value) = value(figures) else { continue };
                let labels = Converter { namespace: figures.namespace.clone(), name: figures.name.clone() };
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
