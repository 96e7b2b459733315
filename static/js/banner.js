/**
 * @file The banner: the state of the connection in words, once it has been down for 1.5 s, and the
 * reason if the server has closed it permanently.
 */

import { timeOfDay } from './clock.js';

const PATIENCE_MS = 1_500;

/** @type {Record<number, string>} */
const REASONS = {
  3500: 'Your session is no longer valid.',
  3501: 'This page and the server are not compatible. The page may be out of date.',
  3502: 'The server received nothing from this page in time.',
  3503: 'This session has ended.',
  3504: 'You have too many connections open. Close another tab first.',
  3509: 'The server closed the connection after too many errors.',
};

/** @type {Record<number, string>} */
const ACTIONS = { 3500: 'Start a new session', 3501: 'Reload the page', 3503: 'Start a new session' };

export class Banner {
  #root;
  #text;
  #button;
  #connection;
  #timer = 0;
  #shown = false;
  #hooks;

  /**
   * @param {HTMLElement} root
   * @param {import('./connection.js').Connection} connection
   * @param {{onWord: (word: string) => void, onRenew: () => void}} hooks
   */
  constructor(root, connection, hooks) {
    this.#root = root;
    this.#text = root.querySelector('p');
    this.#button = root.querySelector('button');
    this.#connection = connection;
    this.#hooks = hooks;
    this.#button.addEventListener('click', () => this.#act());
    connection.addEventListener('state', () => this.#changed());
  }

  #changed() {
    clearTimeout(this.#timer);
    const { state, offlineSince } = this.#connection;
    if (state === 'idle' || state === 'connected') return this.#hide(state);
    if (state === 'closed') return this.#refused();
    const patience = PATIENCE_MS - (Date.now() - (offlineSince ?? Date.now()));
    if (patience > 0 && !this.#shown) this.#timer = setTimeout(() => this.#draw(), patience);
    else this.#draw();
  }

  #hide(state) {
    const had = this.#root.contains(document.activeElement);
    if (this.#shown && state === 'connected') this.#hooks.onWord('Connected.');
    this.#shown = false;
    this.#root.hidden = true;
    if (had) document.querySelector('main').focus();
  }

  #draw() {
    const { state, offlineSince, nextTryAt } = this.#connection;
    const word = navigator.onLine ? 'Reconnecting.' : 'Offline.';
    const seconds = Math.max(1, Math.ceil(((nextTryAt ?? 0) - performance.now()) / 1000));
    const next = state === 'waiting' ? `Next try in ${seconds} s.` : 'Trying now.';
    this.#text.textContent = `${word} Offline since ${timeOfDay(offlineSince ?? Date.now())}. ${next}`;
    this.#button.textContent = 'Retry now';
    this.#button.setAttribute('aria-disabled', String(state === 'connecting'));
    this.#root.dataset.kind = 'reconnecting';
    if (!this.#shown) this.#hooks.onWord(`${word} Your messages will be sent later.`);
    this.#shown = true;
    this.#root.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#draw(), 500);
  }

  #refused() {
    const { code, reason } = this.#connection.ending ?? { code: 0, reason: '' };
    const why = REASONS[code] ?? 'The server ended this connection.';
    this.#text.textContent = reason && reason !== why ? `${why} ${sentence(reason)}` : why;
    this.#button.textContent = ACTIONS[code] ?? 'Connect again';
    this.#button.setAttribute('aria-disabled', 'false');
    this.#root.dataset.kind = 'refused';
    this.#shown = true;
    this.#root.hidden = false;
    this.#hooks.onWord(this.#text.textContent);
  }

  #act() {
    const { state, ending } = this.#connection;
    if (state !== 'closed') this.#connection.retryNow();
    else if (ending?.code === 3501) location.reload();
    else if (ending?.code === 3500 || ending?.code === 3503) this.#hooks.onRenew();
    else this.#connection.open();
  }
}

/** @param {string} text @returns {string} with a capital and a full stop */
function sentence(text) {
  const whole = text.trim();
  return whole && `${whole[0].toUpperCase()}${whole.slice(1)}${/[.!?]$/.test(whole) ? '' : '.'}`;
}
