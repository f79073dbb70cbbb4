// The gateway's job as a Node-RED flow: node nodered_flow.js FEED_PORT MODBUS_PORT writes it as flows.json.
// tcp in -> function (framing, checksum, values) -> modbus-server; import power in W, as uint32, at address 0.
'use strict'

const [feedPort, modbusPort] = process.argv.slice(2)

// The text of this function becomes the function node.
const parse = function (msg, context) {
  const FIELDS = ['1-0:1.7.0', '1-0:2.7.0', '1-0:1.8.1', '1-0:1.8.2', '1-0:2.8.1', '1-0:2.8.2',
    '1-0:32.7.0', '1-0:52.7.0', '1-0:72.7.0', '1-0:31.7.0', '1-0:51.7.0', '1-0:71.7.0',
    '1-0:21.7.0', '1-0:41.7.0', '1-0:61.7.0', '1-0:22.7.0', '1-0:42.7.0', '1-0:62.7.0']
  let pending = (context.get('pending') || '') + msg.payload
  const found = []
  for (;;) {
    const start = pending.indexOf('/')
    const mark = pending.indexOf('\r\n!', start)
    if (start < 0 || mark < 0 || pending.length < mark + 9) break
    const summed = pending.slice(start, mark + 3)
    const sent = pending.slice(mark + 3, mark + 7)
    pending = pending.slice(mark + 9)
    let crc = 0
    for (let i = 0; i < summed.length; i++) {
      crc ^= summed.charCodeAt(i)
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
    }
    if (crc !== parseInt(sent, 16)) continue
    const values = {}
    for (const line of summed.split('\r\n')) {
      const open = line.indexOf('(')
      if (open > 0) values[line.slice(0, open)] = parseFloat(line.slice(open + 1))
    }
    const registers = Buffer.alloc(4 * FIELDS.length)
    FIELDS.forEach((code, at) => registers.writeUInt32BE(Math.round(1000 * (values[code] || 0)), 4 * at))
    found.push({ payload: { value: Array.from(registers), register: 'holding', address: 0, disableMsgOutput: 1 } })
  }
  context.set('pending', pending)
  return [found]
}

const flow = [
  { id: 'tab', type: 'tab', label: 'P1 to Modbus' },
  {
    id: 'port', type: 'tcp in', z: 'tab', name: 'P1 port', server: 'client', host: '127.0.0.1', port: feedPort,
    datamode: 'stream', datatype: 'utf8', newline: '', topic: '', x: 100, y: 80, wires: [['parser']]
  },
  {
    id: 'parser', type: 'function', z: 'tab', name: 'DSMR parser', outputs: 1, x: 300, y: 80, wires: [['server']],
    func: `return (${parse.toString()})(msg, context)`
  },
  {
    id: 'server', type: 'modbus-server', z: 'tab', name: 'Modbus', logEnabled: false, hostname: '127.0.0.1',
    serverPort: modbusPort, responseDelay: 1, delayUnit: 'ms', coilsBufferSize: 1000, holdingBufferSize: 1000,
    inputBufferSize: 1000, discreteBufferSize: 1000, showErrors: true, x: 500, y: 80, wires: [[], [], [], [], []]
  }
]
require('node:fs').writeFileSync('flows.json', JSON.stringify(flow))
