// jsmodbus, which is Node-RED's Modbus server: node jsmodbus_server.js PORT, with jsmodbus in node_modules.
'use strict'

const net = require('node:net')
const { server: { TCP } } = require(require.resolve('jsmodbus', { paths: [process.cwd()] }))

const REGISTERS = 2000
const holding = Buffer.alloc(2 * REGISTERS)
for (let address = 0; address < REGISTERS; address++) holding.writeUInt16BE(address, 2 * address)

const listener = net.createServer({ noDelay: true })
listener.on('connection', (client) => client.on('error', () => client.destroy()))
new TCP(listener, { holding })
listener.listen(Number(process.argv[2]), '127.0.0.1')
