// Shows the values below the pointer. Every line of a picture carries its points: x, y and both as words.
for (const svg of document.querySelectorAll('figure svg')) {
  const lines = [...svg.querySelectorAll('[data-points]')].map((path) => ({
    name: path.dataset.name,
    colour: path.getAttribute('stroke'),
    points: path.dataset.points.split(';').map((point) => {
      const [x, y, ...words] = point.split(',');
      return { x: Number(x), y: Number(y), words };
    }),
  }));
  if (!lines.length) continue;
  const box = document.createElement('div');
  box.className = 'point';
  box.hidden = true;
  svg.parentElement.append(box);
  const cross = document.createElementNS(svg.namespaceURI, 'line');
  cross.setAttribute('class', 'cross');
  cross.setAttribute('y1', '0');
  cross.setAttribute('y2', String(svg.viewBox.baseVal.height - 42));
  cross.setAttribute('visibility', 'hidden');
  svg.append(cross);
  const show = (event) => {
    const { left, width } = svg.getBoundingClientRect();
    const x = ((event.clientX - left) * svg.viewBox.baseVal.width) / width;
    const nearest = (points) => points.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a));
    const found = lines.map((line) => ({ line, point: nearest(line.points) }));
    const head = nearest(found.map(({ point }) => point));
    box.replaceChildren(head.words[0]);
    for (const { line, point } of found) {
      const row = document.createElement('div');
      const swatch = document.createElement('i');
      swatch.style.background = line.colour;
      const name = line.name && lines.length > 1 ? `${line.name}: ` : '';
      row.append(swatch, name + point.words[1]);
      box.append(row);
    }
    cross.setAttribute('x1', head.x);
    cross.setAttribute('x2', head.x);
    cross.setAttribute('visibility', 'visible');
    box.hidden = false;
    const at = (head.x * width) / svg.viewBox.baseVal.width;
    box.style.left = `${at + box.offsetWidth + 24 > width ? at - box.offsetWidth - 12 : at + 12}px`;
    box.style.top = '36px';
  };
  // A finger does not move before it is down.
  svg.addEventListener('pointermove', show);
  svg.addEventListener('pointerdown', show);
  svg.addEventListener('pointerleave', () => {
    box.hidden = true;
    cross.setAttribute('visibility', 'hidden');
  });
}
