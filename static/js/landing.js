/**
 * @file The landing page: interests as chips, saved for the next visit, and the buttons that start a chat.
 */

import { Session, withoutDelay } from './session.js';

const KEY = 'parley.interests';
const INTERESTS_MAX = 10;
const LENGTH_MAX = 30;

/** @param {string} name @returns {any} */
const at = (name) => document.querySelector(`[data-test="${name}"]`);
const field = at('interest');
const list = document.getElementById('chips');
const template = document.getElementById('chip');
const note = document.getElementById('start-note');
const full = document.getElementById('interests-note');

/** @type {string[]} */
let interests = [];
try {
  const kept = JSON.parse(localStorage.getItem(KEY) ?? '[]');
  if (Array.isArray(kept)) interests = kept.filter((one) => typeof one === 'string').slice(0, INTERESTS_MAX);
} catch {
  interests = [];
}

function draw() {
  list.replaceChildren(...interests.map((interest) => {
    const item = template.content.firstElementChild.cloneNode(true);
    item.querySelector('.label').textContent = interest;
    item.querySelector('button').setAttribute('aria-label', `Remove ${interest}`);
    return item;
  }));
  field.placeholder = interests.length ? 'Add another' : 'music, python';
  full.textContent = interests.length >= INTERESTS_MAX ? 'You can add up to ten. Remove one to add another.' : '';
  try {
    localStorage.setItem(KEY, JSON.stringify(interests));
  } catch {
    // Storage is forbidden: they are lost when the page is closed.
  }
}

/** @param {string} text one or more interests */
function add(text) {
  for (const part of text.split(',')) {
    const interest = part.trim().toLowerCase().slice(0, LENGTH_MAX);
    if (interest && !interests.includes(interest) && interests.length < INTERESTS_MAX) interests.push(interest);
  }
  field.value = '';
  draw();
}

field.addEventListener('keydown', (event) => {
  if (event.isComposing || event.keyCode === 229) return;
  if ((event.key === 'Enter' || event.key === ',') && field.value.trim()) {
    event.preventDefault();
    add(field.value);
  } else if (event.key === ',') {
    event.preventDefault();
  } else if (event.key === 'Backspace' && field.value === '' && interests.length) {
    interests.pop();
    draw();
  }
});
field.addEventListener('input', () => field.value.includes(',') && add(field.value));
list.addEventListener('click', ({ target }) => {
  const button = target instanceof Element ? target.closest('button') : null;
  if (!button) return;
  interests.splice([...list.querySelectorAll('button')].indexOf(button), 1);
  draw();
  field.focus();
});

const buttons = [at('talk'), at('timed')];

/** @param {string} lobby */
async function start(lobby) {
  if (field.value.trim()) add(field.value);
  for (const button of buttons) button.setAttribute('aria-disabled', 'true');
  note.textContent = '';
  try {
    await new Session().start();
    sessionStorage.setItem('parley.intent', lobby);
    location.assign('/chat/pair');
  } catch (error) {
    wait(error.text || 'This browser blocks site data. Allow it for this page to start.', error.seconds ?? 0);
  }
}

/** @param {string} text @param {number} seconds until the buttons work again */
function wait(text, seconds) {
  note.textContent = seconds > 0 ? `${withoutDelay(text)} Try again in ${seconds} s.` : text;
  if (seconds > 0) setTimeout(() => wait(seconds > 1 ? text : '', seconds - 1), 1000);
  else for (const button of buttons) button.removeAttribute('aria-disabled');
}

for (const button of buttons) {
  button.addEventListener('click', () => button.getAttribute('aria-disabled') || start(button.dataset.lobby));
}
addEventListener('pageshow', () => wait('', 0));
draw();
