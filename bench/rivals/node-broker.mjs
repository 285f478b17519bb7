// What a broker with a child per user looks like in Node.js: the protocol's own SDK on both sides, one stdio child for each bearer token.
// usage: node node-broker.mjs PORT COMMAND [ARGUMENT...]
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const [port, command, ...args] = process.argv.slice(2);
const children = new Map();
const sessions = new Map();

const childOf = (token) => {
    if (!children.has(token)) {
        const client = new Client({ name: 'node-broker', version: '1' });
        children.set(token, client.connect(new StdioClientTransport({ command, args })).then(() => client));
    }
    return children.get(token);
};

const open = async (token) => {
    const child = await childOf(token);
    const server = new Server({ name: 'node-broker', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, (request) => child.listTools(request.params));
    server.setRequestHandler(CallToolRequestSchema, (request) => child.callTool(request.params));
    const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse: true,
        onsessioninitialized: (id) => sessions.set(id, { token, transport }),
    });
    transport.onclose = () => sessions.delete(transport.sessionId);
    await server.connect(transport);
    return transport;
};

createServer(async (request, response) => {
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    const known = sessions.get(request.headers['mcp-session-id']);
    if (!token || (known && known.token !== token)) {
        response.writeHead(401).end();
        return;
    }
    const transport = known?.transport ?? (await open(token));
    await transport.handleRequest(request, response);
}).listen(Number(port), '127.0.0.1');
