// Plays the person at the browser: follows redirects with a cookie jar, fills in the forms it meets (the broker's
// consent page, Forgejo's login and grant pages) and stops at the client's redirect URI.
import http from 'node:http';
import https from 'node:https';

const STEPS = 30;

/**
 * Opens `start` and returns the URL, below `redirectUri`, to which the login finally led.
 * @param {URL | string} start the client's authorization URL
 * @param {string} redirectUri where to stop
 * @param {{user: string, password: string, access?: string}} person credentials at Forgejo, and the access to choose
 */
export async function login(start, redirectUri, person) {
    const browser = { jar: new Map(), from: null, loggedIn: false };
    let step = { method: 'GET', url: new URL(start), body: null };
    for (let n = 0; n < STEPS; n++) {
        if (step.method === 'GET' && leadsTo(step.url, redirectUri)) return step.url;
        const page = await open(browser, step);
        if (page.location) {
            step = { method: 'GET', url: new URL(page.location, step.url), body: null };
            continue;
        }
        if (page.status !== 200) throw new Error(`${step.method} ${step.url.href}: ${page.status}: ${text(page.html)}`);
        browser.from = step.url;
        step = submit(page.html, step.url, person, browser);
    }
    throw new Error(`no end after ${STEPS} steps; the last was ${step.url.href}`);
}

function leadsTo(url, redirectUri) {
    const target = new URL(redirectUri);
    return url.origin === target.origin && url.pathname === target.pathname;
}

// Cookies know hosts and paths but not ports, as in a browser.
function open(browser, { method, url, body }) {
    const cookies = [...browser.jar.values()].filter(
        c => c.host === url.hostname && url.pathname.startsWith(c.path) && (!c.secure || isTrustworthy(url))
    );
    const headers = {
        accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
        'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) test browser',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        'sec-fetch-site': !browser.from ? 'none' : browser.from.origin === url.origin ? 'same-origin' : 'cross-site'
    };
    if (cookies.length) headers.cookie = cookies.map(c => `${c.name}=${c.value}`).join('; ');
    if (body !== null) {
        headers['content-type'] = 'application/x-www-form-urlencoded';
        headers['content-length'] = Buffer.byteLength(body);
        headers.origin = browser.from.origin;
    }
    const library = url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
        const request = library.request(url, { method, headers }, response => {
            for (const line of response.headers['set-cookie'] ?? []) keep(browser.jar, line, url);
            const chunks = [];
            response.on('data', chunk => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () => {
                const redirected = response.statusCode >= 300 && response.statusCode < 400;
                resolve({
                    status: response.statusCode,
                    location: redirected ? response.headers.location : undefined,
                    html: Buffer.concat(chunks).toString()
                });
            });
        });
        request.on('error', error => reject(new Error(`${method} ${url.href}: ${error.message}`)));
        request.end(body ?? undefined);
    });
}

function isTrustworthy(url) {
    return url.protocol === 'https:' || ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
}

function keep(jar, line, url) {
    const [pair, ...rest] = line.split(';').map(part => part.trim());
    const at = pair.indexOf('=');
    const attributes = new Map(rest.map(part => part.split('=')).map(([k, v]) => [k.toLowerCase(), v ?? '']));
    const cookie = {
        name: pair.slice(0, at),
        value: pair.slice(at + 1),
        host: url.hostname,
        path: attributes.get('path') || '/',
        secure: attributes.has('secure')
    };
    const key = `${cookie.host}${cookie.path} ${cookie.name}`;
    const expires = attributes.get('expires');
    const gone = Number(attributes.get('max-age') ?? 1) <= 0 || (expires && Date.parse(expires) <= Date.now());
    if (gone) jar.delete(key);
    else jar.set(key, cookie);
}

// The next step that a person takes on this page: the first POST form in which there is something for him to do.
function submit(html, base, person, browser) {
    const forms = [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)]
        .map(([, tag, inner]) => ({ ...attributesOf(tag), controls: controls(inner) }))
        .filter(form => (form.method ?? '').toLowerCase() === 'post');
    const wanted = form => form.controls.some(c => ['user_name', 'decision', 'granted'].includes(c.name));
    const form = forms.find(wanted) ?? forms[0];
    if (!form) throw new Error(`${base.href}: a page without a form: ${text(html)}`);
    if (form.controls.some(c => c.name === 'user_name')) {
        if (browser.loggedIn) throw new Error(`${base.href}: the login was refused: ${text(html)}`);
        browser.loggedIn = true;
    }
    const fields = new URLSearchParams();
    for (const control of form.controls) {
        const { name, type, value } = control;
        if (!name || 'disabled' in control) continue;
        if (name === 'user_name') fields.append(name, person.user);
        else if (name === 'password') fields.append(name, person.password);
        else if (name === 'access' && person.access) {
            if (value === person.access) fields.append(name, value);
        } else if (control.tag === 'button' || type === 'submit') {
            const yes = (name === 'decision' && value === 'approve') || (name === 'granted' && value === 'true');
            if (yes) fields.append(name, value);
        } else if (type === 'radio' || type === 'checkbox') {
            if ('checked' in control) fields.append(name, value ?? 'on');
        } else fields.append(name, value ?? '');
    }
    return { method: 'POST', url: new URL(form.action ?? base.href, base), body: fields.toString() };
}

function controls(html) {
    return [...html.matchAll(/<(input|button)\b((?:"[^"]*"|'[^']*'|[^>"'])*)>/gi)].map(([, tag, inner]) => ({
        tag: tag.toLowerCase(),
        ...attributesOf(inner)
    }));
}

function attributesOf(tag) {
    const found = {};
    for (const [, name, , double, single, bare] of tag.matchAll(/([\w:-]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)) {
        found[name.toLowerCase()] ??= plain(double ?? single ?? bare ?? '');
    }
    return found;
}

const NAMED = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function plain(text) {
    return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) => {
        if (hex) return String.fromCodePoint(parseInt(hex, 16));
        if (decimal) return String.fromCodePoint(Number(decimal));
        return NAMED[name] ?? all;
    });
}

function text(html) {
    const words = plain(html.replace(/<(style|script)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' '));
    return words.replace(/\s+/g, ' ').trim().slice(0, 400);
}
