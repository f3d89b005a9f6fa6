//! The alerts of an Alertmanager's delivery: each by itself, and what makes two of them the same news.

use std::fmt;

use serde_json::Value;

use crate::domain::digest::Digest;

/// The type of the events that alerts become.
pub const ALERT: &str = "prometheus.alert";
/// Alerts that are taken of one delivery.
pub const MOST_ALERTS: usize = 1_000;
/// What keys of alerts begin with, so that they are never those of deliveries.
pub const KEY_BEGIN: &str = "alert ";
/// Bytes of what a group says of itself, which stands in each of its alerts.
const LONGEST_OF_GROUP: usize = 4_096;
/// Bytes of a key; longer ones are kept as their digest.
const LONGEST_KEY: usize = 200;

/// One alert of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its fingerprint, since when, and its status: the same in each repeat and in each group.
    pub key: String,
    /// The alert as it came, with `receiver`, `groupKey` and `externalURL` of its group.
    pub payload: Value,
}

/// Why the alerts of a delivery cannot be taken one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAlerts {
    /// More than [`MOST_ALERTS`]: so many.
    TooMany(usize),
    /// The group's field of this name has more than 4096 bytes.
    TooLong(&'static str),
    /// The alert at this place, counted from 1, has no labels and status.
    NotAnAlert(usize),
}

impl fmt::Display for NotAlerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(count) => write!(
                f,
                "The delivery has {count} alerts, and {MOST_ALERTS} at most are taken at once. Nothing was stored. Group alerts by more labels in Alertmanager's `route`, or set `max_alerts` of its `webhook_configs`."
            ),
            Self::TooLong(name) => write!(
                f,
                "`{name}` of the delivery is longer than {LONGEST_OF_GROUP} bytes. Nothing was stored. Group alerts by fewer labels in Alertmanager's `route`."
            ),
            Self::NotAnAlert(place) => write!(
                f,
                "Alert {place} of the delivery has no `labels` and `status`, as Alertmanager's alerts have. Nothing was stored."
            ),
        }
    }
}

/// The alerts of a delivery, each once, by their keys. None where it has no list of them.
///
/// # Errors
/// [`NotAlerts`].
pub fn alerts(data: &Value) -> Result<Vec<Alert>, NotAlerts> {
    let Some(list) = data.get("alerts").and_then(Value::as_array) else { return Ok(Vec::new()) };
    if list.len() > MOST_ALERTS {
        return Err(NotAlerts::TooMany(list.len()));
    }
    let mut of_group = Vec::new();
    for name in ["receiver", "groupKey", "externalURL"] {
        match data.get(name).and_then(Value::as_str) {
            Some(text) if text.len() > LONGEST_OF_GROUP => return Err(NotAlerts::TooLong(name)),
            Some(text) => of_group.push((name, text)),
            None => {}
        }
    }
    let mut all = Vec::with_capacity(list.len());
    for (place, alert) in list.iter().enumerate() {
        let key = key(alert).ok_or(NotAlerts::NotAnAlert(place + 1))?;
        let mut payload = alert.clone();
        if let Some(fields) = payload.as_object_mut() {
            fields.extend(of_group.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))));
        }
        all.push(Alert { key, payload });
    }
    // In one order for everybody: who stores the same alerts at the same time never waits crosswise.
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all.dedup_by(|a, b| a.key == b.key);
    Ok(all)
}

fn key(alert: &Value) -> Option<String> {
    let text = |name: &str| alert.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let labels = alert.get("labels").filter(|labels| labels.is_object())?;
    let status = text("status")?;
    // Alertmanager before 0.19 gives no fingerprint.
    let fingerprint = text("fingerprint").map_or_else(|| Digest::of_json(labels).to_string(), str::to_owned);
    let key = format!("{KEY_BEGIN}{fingerprint} {} {status}", text("startsAt").unwrap_or_default());
    Some(if key.len() <= LONGEST_KEY { key } else { format!("{KEY_BEGIN}{}", Digest::of(key.as_bytes())) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert(fingerprint: &str, status: &str, since: &str) -> Value {
        json!({"status": status, "labels": {"alertname": "A"}, "startsAt": since, "fingerprint": fingerprint})
    }

    fn keys(list: &[Value]) -> Vec<String> {
        alerts(&json!({"alerts": list})).unwrap().into_iter().map(|a| a.key).collect()
    }

    #[test]
    fn an_alert_says_all_that_it_said_and_which_group_told_it() {
        let group = json!({"receiver": "r", "groupKey": "{}:{}", "externalURL": "http://am", "status": "firing",
            "alerts": [alert("f", "firing", "t")]});
        let found = alerts(&group).unwrap();
        let mut expected = alert("f", "firing", "t");
        expected["receiver"] = json!("r");
        expected["groupKey"] = json!("{}:{}");
        expected["externalURL"] = json!("http://am");
        assert_eq!(found, [Alert { key: "alert f t firing".to_owned(), payload: expected }]);
    }

    #[test]
    fn the_same_news_has_the_same_key_and_other_news_another() {
        let firing = alert("f", "firing", "t");
        let mut repeated = firing.clone();
        repeated["endsAt"] = json!("later");
        repeated["annotations"] = json!({"value": "other"});
        assert_eq!(keys(&[firing.clone(), repeated]).len(), 1);
        for other in [alert("f", "resolved", "t"), alert("f", "firing", "t2"), alert("g", "firing", "t")] {
            assert_eq!(keys(&[firing.clone(), other.clone()]).len(), 2, "{other}");
        }
        assert_eq!(keys(&[alert("b", "s", "t"), alert("a", "s", "t")]), ["alert a t s", "alert b t s"]);
    }

    #[test]
    fn without_fingerprints_labels_tell_alerts_apart() {
        let of = |labels: Value| json!({"status": "firing", "labels": labels, "startsAt": "t"});
        let same = [of(json!({"a": "1", "b": "2"})), of(json!({"b": "2", "a": "1"}))];
        assert_eq!(keys(&same).len(), 1);
        assert_eq!(keys(&[of(json!({"a": "1"})), of(json!({"a": "2"}))]).len(), 2);
        let long = keys(&[alert(&"x".repeat(5_000), "firing", "t")]).remove(0);
        assert!(long.len() <= LONGEST_KEY && long.starts_with(KEY_BEGIN), "{long}");
    }

    #[test]
    fn what_is_no_alert_is_refused_and_so_are_too_many() {
        for none in [json!({}), json!([]), json!({"alerts": "x"}), json!({"alerts": []})] {
            assert_eq!(alerts(&none), Ok(Vec::new()), "{none}");
        }
        for bad in [json!(1), json!({}), json!({"labels": {}}), json!({"labels": "x", "status": "firing"})] {
            let data = json!({"alerts": [alert("f", "firing", "t"), bad]});
            assert_eq!(alerts(&data), Err(NotAlerts::NotAnAlert(2)), "{data}");
        }
        let list = |count: usize| (0..count).map(|i| alert(&i.to_string(), "firing", "t")).collect::<Vec<_>>();
        assert_eq!(keys(&list(MOST_ALERTS)).len(), MOST_ALERTS);
        let many = alerts(&json!({"alerts": list(MOST_ALERTS + 1)}));
        assert_eq!(many, Err(NotAlerts::TooMany(MOST_ALERTS + 1)));
        assert!(many.unwrap_err().to_string().contains("1001 alerts"));
        let long = json!({"groupKey": "x".repeat(5_000), "alerts": []});
        assert_eq!(alerts(&long), Err(NotAlerts::TooLong("groupKey")));
    }
}
