// Nothing of its own. `node --import share.js` leads what a program imports of Muster to the bundle's copies.
export {};
