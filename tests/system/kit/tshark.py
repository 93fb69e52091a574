# SPDX-License-Identifier: GPL-2.0-or-later
"""Wireshark as a witness: what do these bytes say to somebody who is neither us nor our peer?

They are put into the file of a capture, as one segment; so nothing has to be captured.
"""

import pathlib

from kit import proc

# Fields of the PROXY protocol that are asked for; each has a list of values.
FIELDS = ["proxy.v1.proto", "proxy.v1.unknown", "proxy.v2.cmd",
          "proxy.v2.addr_family_protocol", "proxy.v2.length", "proxy.src.ipv4", "proxy.dst.ipv4",
          "proxy.src.ipv6", "proxy.dst.ipv6", "proxy.srcport", "proxy.dstport", "proxy.v2.unknown",
          "proxy.v2.tlv.type", "proxy.v2.tlv.value", "proxy.v2.tlv.ssl.client",
          "proxy.v2.tlv.ssl.verify", "proxy.v2.tlv.ssl.version", "proxy.v2.tlv.ssl.cn",
          "proxy.v2.tlv.ssl.cipher", "proxy.bad_format", "proxy.header.length_too_small",
          "_ws.malformed", "_ws.expert.message"]


def decode(raw, directory):
    """Gives {field without "proxy.": [values as text]} of those that are there."""
    program = proc.need("tshark", "tshark")
    dump, capture = pathlib.Path(directory, "header.hex"), pathlib.Path(directory, "header.pcap")
    dump.write_text("".join(f"{at:06x} {raw[at:at + 16].hex(' ')}\n"
                            for at in range(0, len(raw), 16)), encoding="ascii")
    proc.run([proc.need("text2pcap", "wireshark-common"), "-q", "-4", "192.0.2.1,192.0.2.2",
              "-T", "40000,4000", dump, capture])
    wanted = [word for field in FIELDS for word in ("-e", field)]
    # By what the bytes look like; else 4.4 (Debian 13) may stop at a port that it knows.
    said = proc.run([program, "-n", "-o", "tcp.try_heuristic_first:TRUE", "-r", capture,
                     "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a",
                     "-E", "aggregator=|", *wanted])
    values = said.stdout.rstrip("\n").split("\t")
    return {field.removeprefix("proxy."): value.split("|")
            for field, value in zip(FIELDS, values) if value not in ("", "<MISSING>")}


def tlvs(said):
    """{type: bytes} of what decode() gave, those within the TLS one among them."""
    return {int(kind, 0): bytes.fromhex(value.replace(":", ""))
            for kind, value in zip(said["v2.tlv.type"], said["v2.tlv.value"])}
