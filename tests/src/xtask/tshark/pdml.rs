//! What tshark prints with `-T pdml`: packets of protocols of fields, in the order of the bytes.
//!
//! Its JSON loses which PDU of a packet a field belongs to; this does not. Only what tshark prints is understood: one element a line.

/// A PDU as tshark understands it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pdu {
    /// Sender, as address and port.
    pub(crate) from: (String, String),
    /// Receiver.
    pub(crate) to: (String, String),
    /// The packet it ends in, from 1.
    pub(crate) packet: usize,
    /// Its fields.
    pub(crate) fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Field {
    /// As in tshark's display filters.
    pub(crate) name: String,
    /// Its value as text.
    pub(crate) show: String,
    /// Its bytes, hexadecimal; empty for what tshark made up.
    pub(crate) value: String,
}

/// The PDUs of a PDML document.
pub(crate) fn parse(text: &str) -> Vec<Pdu> {
    let mut pdus: Vec<Pdu> = Vec::new();
    let (mut packet, mut protocol) = (0, String::new());
    let mut current = Pdu::default();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("<packet>") {
            packet += 1;
            current = Pdu { packet, ..Pdu::default() };
        } else if line.starts_with("<proto ") {
            protocol = attribute(line, "name").unwrap_or_default();
            if protocol == "nvme-tcp" {
                pdus.push(current.clone());
            }
        } else if line.starts_with("<field ") {
            let name = attribute(line, "name").unwrap_or_default();
            let show = attribute(line, "show").unwrap_or_default();
            match name.as_str() {
                "ip.src" | "ipv6.src" => current.from.0 = show,
                "ip.dst" | "ipv6.dst" => current.to.0 = show,
                "tcp.srcport" => current.from.1 = show,
                "tcp.dstport" => current.to.1 = show,
                _ if protocol == "nvme-tcp" || protocol == "nvme" => {
                    let value = attribute(line, "value").unwrap_or_default();
                    if let Some(pdu) = pdus.last_mut() {
                        pdu.fields.push(Field { name, show, value });
                    }
                }
                _ => {}
            }
        }
    }
    pdus.retain(|pdu| pdu.fields.iter().any(|field| field.name == "nvme-tcp.type"));
    pdus
}

/// The value of an attribute of the element on this line.
fn attribute(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_pdus() {
        let text = r#"<packet>
  <proto name="ip" showname="IP">
    <field name="ip.src" showname="Source" size="4" show="192.0.2.1" value="c0000201"/>
  </proto>
  <proto name="tcp">
    <field name="tcp.dstport" show="4420" value="1144"/>
  </proto>
  <proto name="nvme-tcp" size="128">
    <field name="nvme-tcp.type" showname="Pdu Type: &quot;x&quot;" size="1" show="4" value="04"/>
  </proto>
  <proto name="nvme">
    <field name="nvme.cmd.opc" show="0x02" value="02">
  </proto>
  <proto name="nvme-tcp">
    <field name="nvme-tcp.type" show="5" value="05"/>
  </proto>
</packet>"#;
        let pdus = parse(text);
        assert_eq!(pdus.len(), 2);
        assert_eq!(
            (pdus[0].from.0.as_str(), pdus[0].to.1.as_str(), pdus[0].packet),
            ("192.0.2.1", "4420", 1)
        );
        assert_eq!(pdus[0].fields[1].show, "0x02");
        assert_eq!(attribute(r#"<field showname="a" show="&lt;&amp;&gt;">"#, "show").unwrap(), "<&>");
    }
}
