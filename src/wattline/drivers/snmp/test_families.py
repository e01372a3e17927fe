"""What is read of agents of many families that we made up: every series, its device and its value in base units."""

import pytest

from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.driver import Snmp
from wattline.drivers.snmp.profile import profile
from wattline.testing.replay import ReplayAgent
from wattline.wire import ber

NOW = 1_700_000_000_000_000_000
ENTERPRISES = "1.3.6.1.4.1"

FAMILIES = {
    "apc-ups": ("318.1.3.27.4", """
        4.2.8.0             1840     it power_watts 1840
        4.3.1.0             2304     it voltage_volts 230.4
        4.2.1.0             230
        4.3.6.0             123456   it energy_joules 4444416000
        3.3.1.0             2311     it/input voltage_volts 231.1
        3.3.4.0             500      it/input frequency_hertz 50
        2.3.2.0             -1
        2.2.2.0             24       it temperature_celsius of=battery 24
        9.2.3.1.6.1.1.1     87       it/input-1/phase-1 current_amperes 8.7
        9.3.3.1.13.1.1.1    610      it/phase-1 power_watts 610
    """),
    "sentry4": ("1718.4", """
        3.2.1.3.1.1         AA
        3.3.1.3.1.1         2210     it power_watts 2210
        3.3.1.10.1.1        98765    it energy_joules 35555400000
        3.3.1.8.1.1         97       it power_factor_ratio 0.97
        4.3.1.3.1.1.1       512      it/line-1 current_amperes 5.12
        5.3.1.3.1.1.1       2087     it/phase-1 voltage_volts 208.7
        5.3.1.8.1.1.1       1105     it/phase-1 power_watts 1105
        8.2.1.3.1.1.4       web-4
        8.3.1.3.1.1.4       131      it/web-4 current_amperes outlet=4 1.31
        8.3.1.3.1.1.5       -1
        9.1.10.0            1
        9.3.1.1.1.1         770      it/probe-1 temperature_celsius 25
    """),
    "cyberpower-pdu": ("3808.1.1.3", """
        2.3.1.1.2.1         42       it/load-1 current_amperes 4.2
        2.3.1.1.6.1         2305     it/load-1 voltage_volts 230.5
        2.3.1.1.7.1         941      it/load-1 power_watts 941
        2.3.1.1.10.1        1234     it/load-1 energy_joules 444240000
        3.5.1.1.2.3         nas
        3.5.1.1.7.3         6        it/nas current_amperes outlet=3 0.6
        3.5.1.1.8.3         138      it/nas power_watts outlet=3 138
    """),
    "cyberpower-ups": ("3808.1.1.1", """
        4.2.1.0             1231     it voltage_volts 123.1
        4.2.2.0             600      it frequency_hertz 60
        4.2.3.0             24       it load_ratio 0.24
        4.2.5.0             216      it power_watts 216
        3.2.1.0             1229     it/input voltage_volts 122.9
        2.2.2.0             0
    """),
    "enlogic": ("38446.1", """
        3.4.1.5.1.1         1016     it/phase-1 current_amperes 10.16
        3.4.1.6.1.1         229      it/phase-1 voltage_volts 229
        3.4.1.7.1.1         2250     it/phase-1 power_watts 2250
        3.4.1.9.1.1         97       it/phase-1 power_factor_ratio 0.97
        4.4.1.5.1.2         508      it/breaker-2 current_amperes 5.08
    """),
    "vertiv-geist": ("21239.2", """
        1.1.9.1             1402     it power_watts 1402
        1.1.12.1            567890   it energy_joules 2044404000
        2.1.4.1             2296     it/phase-1 voltage_volts 229.6
        2.1.8.1             622      it/phase-1 current_amperes 6.22
        2.1.14.1            98       it/phase-1 power_factor_ratio 0.98
        4.1.4.1             621      it/line-1 current_amperes 6.21
        5.1.3.2             db-2
        6.1.8.2             55       it/db-2 current_amperes outlet=2 0.55
        6.1.15.2            1000     it/db-2 energy_joules outlet=2 3600000
    """),
    "hpe-pdu-g3": ("232.165.11", """
        2.1.1.2.1           500      it frequency_hertz 50
        2.1.1.5.1           3154     it power_watts 3154
        2.1.1.9.1           -95      it power_factor_ratio 0.95
        2.2.1.3.1.1         2312     it voltage_volts 231.2
        2.2.1.11.1.1        1364     it current_amperes 13.64
        5.1.1.5.1.7         101      it/outlet-7 current_amperes 1.01
        5.1.1.13.1.7        232      it/outlet-7 power_watts 232
    """),
    "hpe-mapdu": ("232.165.7", """
        2.1.1.5.1           3154     it power_watts 3154
        2.1.1.8.1           953      it power_factor_ratio 0.953
        2.2.1.3.1.2         231200   it/phase-2 voltage_volts 231.2
        2.2.1.11.1.2        4553     it/phase-2 current_amperes 4.553
        2.2.1.21.1.2        -1
        5.1.1.5.1.7         1010     it/outlet-7 current_amperes 1.01
        5.1.1.14.1.7        232      it/outlet-7 power_watts 232
    """),
    "dell-rpdu": ("674.10903.200.2.200", """
        120.2.1.4.1         57       it/phase-1 current_amperes 5.7
        120.2.1.5.1         230      it/phase-1 voltage_volts 230
        120.2.1.6.1         131      it/phase-1 power_watts 1310
        130.2.2.1.6.1       2        it/outlet-1 current_amperes 2
        130.2.2.1.8.1       450      it/outlet-1 power_watts 450
    """),
    "panduit": ("19536.10.1", """
        2.1.1.4.1           1650     it apparent_power_va 1650
        2.1.1.5.1           1600     it power_watts 1600
        2.1.1.10.1          402      it reactive_power_var 402
        2.1.1.11.1          713      it current_amperes 7.13
        3.1.1.5.1.1         2303     it/breaker-1 voltage_volts 230.3
        3.1.1.12.1.1        350      it/breaker-1 current_amperes 3.5
        5.1.1.5.1.3         25       it/outlet-3 current_amperes 0.25
    """),
    "liebert-rpdu": ("476.1.42", """
        30.20.1.65.1.1      514      it power_watts 514
        30.20.1.70.1.1      3        it current_amperes line=neutral 0.3
        30.20.1.90.1.1      551      it apparent_power_va 551
        30.40.1.19.1.1.1    2312     it/line-1 voltage_volts 231.2
        30.40.1.22.1.1.1    238      it/line-1 current_amperes 2.38
        40.20.1.130.1.2     119      it/branch-2 current_amperes 1.19
    """),
    "wti": ("2634.3", """
        200.60.0            31       it current_amperes 3.1
        200.70.0            372      it power_watts 372
        200.20.0            20       it/branch-a current_amperes 2
        200.10.1.3.1        29       it temperature_celsius 29
        100.200.1.5.2       fw
        100.200.1.7.2       4        it/fw current_amperes outlet=2 0.4
        100.200.1.8.2       48       it/fw power_watts outlet=2 48
    """),
    "janitza": ("34278.8.6", """
        1.1.0               2312     it/line-1 voltage_volts 231.2
        1.4.0               4004     it voltage_volts between=L1-L2 400.4
        1.7.0               5123     it/line-1 current_amperes 5.123
        1.13.0              -1100    it/line-1 power_watts -1100
        2.1.0               3300     it power_watts 3300
        3.1.0               1234     it/line-1 energy_joules 444240000
        4.1.0               56789    it energy_joules 20444040000
        6.1.0               4998     it frequency_hertz 49.98
    """),
    "xups": ("534.1", """
        2.2.0               109      it voltage_volts of=battery 109
        3.1.0               499      it/input frequency_hertz 49.9
        4.1.0               31       it load_ratio 0.31
        4.4.1.2.1           230      it voltage_volts 230
        4.4.1.4.1           930      it power_watts 930
        10.3.0              3000
        3.4.1.2.1           229      it/input-1 voltage_volts 229
        3.4.1.4.1           0
    """),
    "riello": ("5491.6", """
        5.0                 65535
        8.0                 31       it temperature_celsius of=battery outside 31
        1.3.6.1.2.1.33.1.4.4.1.2.1   230      it voltage_volts 230
        1.3.6.1.2.1.33.1.4.4.1.4.1   640      it power_watts 640
    """),
    "eltek": ("12148.9", """
        3.2.0               5421     it/battery voltage_volts 54.21
        3.3.0               -7       it/battery current_amperes -7
        4.1.0               33       it current_amperes 33
        5.5.2.1.3.1         112      it/rectifier-1 current_amperes 11.2
        5.5.2.1.4.1         5419     it/rectifier-1 voltage_volts 54.19
    """),
    "huawei-smu": ("2011.6.164", """
        6.1.3.0             536      it voltage_volts 53.6
        6.1.4.0             41       it current_amperes 41
        4.2.1.0             2        it/battery current_amperes 2
        3.2.2.1.3.1         537      it/rectifier-1 voltage_volts side=DC 53.7
        3.2.2.1.6.1         2290     it/rectifier-1 voltage_volts side=AC 229
    """),
    "mts": ("40865", """
        6.0                 53616    it voltage_volts 53.616
        7.0                 8453     it current_amperes 8.453
        8.0                 230004   it/input voltage_volts 230.004
        11.0                17       it/battery current_amperes 17
        16.0                53476    it/rectifiers voltage_volts side=DC 53.476
        19.0                229840   it/rectifiers voltage_volts side=AC 229.84
    """),
    "hpe-ilo": ("232.9.4.10", """
        15.3.0              214      it power_watts 214
        9.3.1.6.0.1         231      it/supply-1 voltage_volts 231
        9.3.1.7.0.1         110      it/supply-1 power_watts 110
        6.8.1.4.0.3         27       it/probe-3 temperature_celsius 27
    """),
    "supermicro-bmc": ("21317", """
        14.2.1.3.1          229      it/supply-1 voltage_volts 229
        14.2.1.4.1          1        it/supply-1 current_amperes 1
        14.2.1.5.1          180      it/supply-1 power_watts 180
        14.2.1.9.1          0
    """),
    "infortrend": ("1714.1.1", """
        6.5                 5
        8.5                 +5V
        9.5                 5110     it/+5V voltage_volts rail=5 5.11
        6.1                 3
        8.1                 CPU
        9.1                 609
    """),
    "proware": ("14752.1.3", """
        1.8.1.2.1           12V
        1.8.1.3.1           12120    it/12V voltage_volts rail=1 12.12
        1.8.1.2.10          Battery_Status
        1.8.1.3.10          255
        2.10.1.2.3          Slot01
        2.10.1.3.3          31       it/Slot01 temperature_celsius enclosure-1=3 31
        2.10.1.3.4          0
    """),
    "asentria": ("3052.20", """
        5.4.1.1.5.1.1       1250     it/module-1/unit-1 current_amperes 1.25
        5.4.1.1.13.1.1      53900    it/module-1/unit-1 voltage_volts 53.9
        5.4.1.1.20.1.1      67       it/module-1/unit-1 power_watts 67
        1.1.1.2.200.1.1     1
        1.1.1.6.200.1.1     86       it/probe-200.1.1 temperature_celsius 30
        1.1.1.7.200.1.1     86F
        1.1.1.2.3.3.1       3
        1.1.1.6.3.3.1       28       it/probe-3.3.1 humidity_ratio 0.28
        1.1.1.7.3.3.1       28
    """),
    "pepwave": ("27662", """
        4.1.1.3.0           17       it power_watts 17
        4.4.1.0             48000    it temperature_celsius 48
    """),
    "loop-am3440": ("823.34441", """
        5.0                 43       it power_watts 43
        15.0                5.8V     it/input voltage_volts 5.8
        17.0                2.51V    it/channel-0 voltage_volts 2.51
        21.0                0.15A    it/channel-0 current_amperes 0.15
        22.0                N/A
    """),
}  # fmt: skip
"""Family: sysObjectID below `enterprises`, and rows: an OID below the profile's root or a whole one, what the agent
counts there, and which series it becomes, if any: device, metric, labels, and the value in base units.
"""


def agent_of(family, identity, rows):
    agent = ReplayAgent({})
    agent.put("1.3.6.1.2.1.1.1.0", "made up")
    agent.objects[1, 3, 6, 1, 2, 1, 1, 2, 0] = (6, ber.object_id(f"{ENTERPRISES}.{identity}")[2:])
    root = profile(family).root.replace("*", identity.rpartition(".")[2])
    for oid, count, *_ in rows:
        whole = oid if oid.startswith("1.3.6.1.") else f"{root}.{oid}"
        agent.put(whole, int(count) if count.lstrip("-").isdigit() else count, tag=2)
    return agent


@pytest.mark.parametrize("family", FAMILIES)
async def test_all_that_a_device_tells(family):
    identity, text = FAMILIES[family]
    rows = [line.split() for line in text.strip().splitlines()]
    async with agent_of(family, identity, rows) as agent:
        driver = Snmp(SnmpConfig(host="127.0.0.1", port=agent.port, device="it"))
        try:
            await driver.open()
            [frame] = await driver.read(NOW)
        finally:
            await driver.close()
    assert driver.recognised == family
    assert frame.present is None
    found = {
        " ".join((s.device, s.metric.name, *(f"{k}={v}" for k, v in s.labels))): value
        for s, value in zip(frame.layout.series, frame.values, strict=True)
    }
    assert found == pytest.approx({" ".join(row[2:-1]): float(row[-1]) for row in rows if len(row) > 2})
