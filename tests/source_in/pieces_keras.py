"""Keras as people write it. Each piece is run here with Keras itself, which is the judge."""

from __future__ import annotations

PIECES: dict[str, tuple[str, tuple[int, int, int]]] = {
    "add one by one": (
        """
import tensorflow as tf
from tensorflow.keras import datasets, layers, models
import matplotlib.pyplot as plt

(train_images, train_labels), (test_images, test_labels) = datasets.cifar10.load_data()
train_images, test_images = train_images / 255.0, test_images / 255.0
class_names = ['airplane', 'automobile', 'bird']
plt.figure(figsize=(10, 10))
for i in range(25):
    plt.subplot(5, 5, i + 1)
    plt.imshow(train_images[i])

model = models.Sequential()
model.add(layers.Conv2D(8, (3, 3), activation='relu', input_shape=(32, 32, 3)))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(16, (3, 3), activation='relu'))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Flatten())
model.add(layers.Dense(16, activation='relu'))
model.add(layers.Dense(10))
model.summary()
model.compile(optimizer='adam', loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=['accuracy'])
history = model.fit(train_images, train_labels, epochs=10)
""",
        (3, 32, 32),
    ),
    "a list with Input": (
        """
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

num_classes = 10
input_shape = (28, 28, 1)

model = keras.Sequential(
    [
        keras.Input(shape=input_shape),
        layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(16, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(num_classes, activation="softmax"),
    ]
)
""",
        (1, 28, 28),
    ),
    "same with strides, even and odd": (
        """
from keras.models import Sequential
from keras.layers import Conv2D, MaxPooling2D, Flatten, Dense, Activation, BatchNormalization, AveragePooling2D
model = Sequential()
model.add(Conv2D(4, (3, 3), strides=2, padding='same', input_shape=(27, 30, 3), kernel_initializer='he_normal'))
model.add(BatchNormalization())
model.add(Activation('relu'))
model.add(Conv2D(6, 5, strides=(2, 2), padding='same', use_bias=False))
model.add(MaxPooling2D(pool_size=2, padding='same'))
model.add(Conv2D(6, 4, padding="same"))
model.add(AveragePooling2D(2, padding="same"))
model.add(Flatten())
model.add(Dense(7, activation='tanh'))
""",
        (3, 27, 30),
    ),
    "separable and global": (
        """
from tensorflow.keras.models import Sequential
from tensorflow.keras.layers import *
net = Sequential([
    InputLayer((20, 20, 3)),
    ZeroPadding2D(((1, 0), (2, 1))),
    SeparableConv2D(8, 3, activation='swish', padding='same'),
    DepthwiseConv2D(3, strides=2, padding='same', use_bias=False),
    LeakyReLU(negative_slope=0.2),
    SpatialDropout2D(0.1),
    GlobalAveragePooling2D(),
    Dense(5, activation='gelu'),
    Dense(3),
    Softmax(),
])
""",
        (3, 20, 20),
    ),
    "functional with a shortcut": (
        """
from tensorflow import keras
from tensorflow.keras import layers

inputs = keras.Input(shape=(16, 16, 3), name="img")
x = layers.Conv2D(8, 3, activation="relu")(inputs)
block_1_output = layers.MaxPooling2D(3)(x)

x = layers.Conv2D(8, 3, activation="relu", padding="same")(block_1_output)
x = layers.Conv2D(8, 3, activation="relu", padding="same")(x)
block_2_output = layers.add([x, block_1_output])

a = layers.Conv2D(4, 1)(block_2_output)
b = layers.Conv2D(4, 3, padding="same")(block_2_output)
x = layers.Concatenate()([a, b])
x = layers.GlobalMaxPooling2D()(x)
x = layers.Dropout(0.5)(x)
outputs = layers.Dense(10)(x)

model = keras.Model(inputs, outputs, name="toy_resnet")
model.summary()
""",
        (3, 16, 16),
    ),
    "a function that builds and 2-D pictures": (
        """
import keras

def build(filters=(4, 8), units=12):
    model = keras.models.Sequential(name="digits")
    model.add(keras.layers.Rescaling(1.0, input_shape=(28, 28, 1)))
    for f in filters:
        model.add(keras.layers.Conv2D(f, 3, padding="same", activation=keras.activations.relu))
        model.add(keras.layers.MaxPool2D())
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(units, kernel_regularizer=keras.regularizers.l2(0.001)))
    model.add(keras.layers.ReLU(max_value=6))
    return model

model = build(units=10)
""",
        (1, 28, 28),
    ),
    "squeeze and excitation": (
        """
from keras import layers, models, Input
def se(x, r=4):
    c = x.shape[-1]
    s = layers.GlobalAveragePooling2D()(x)
    s = layers.Dense(c // r, activation='relu')(s)
    s = layers.Dense(c, activation='sigmoid')(s)
    s = layers.Reshape((1, 1, c))(s)
    return layers.Multiply()([x, s])
i = Input((16, 16, 3))
x = layers.Conv2D(8, 3, padding='same')(i)
x = se(x)
x = layers.GlobalAveragePooling2D()(x)
o = layers.Dense(2)(x)
model = models.Model(inputs=i, outputs=o)
""",
        (3, 16, 16),
    ),
    "pictures without channels": (
        """
from keras.models import Sequential
from keras.layers import Dense, Flatten
model = Sequential()
model.add(Flatten(input_shape=(28, 28)))
model.add(Dense(128, activation='relu'))
model.add(Dense(10, activation='softmax'))
""",
        (1, 28, 28),
    ),
    "tf.keras everywhere": (
        """
import tensorflow as tf
model = tf.keras.Sequential([
    tf.keras.Input((28, 28, 1)),
    tf.keras.layers.Conv2D(8, 3, activation=tf.keras.activations.relu),
    tf.keras.layers.MaxPool2D(),
    tf.keras.layers.Flatten(),
    tf.keras.layers.Dense(10, activation=tf.keras.activations.softmax),
])
model.compile("adam", "sparse_categorical_crossentropy")
""",
        (1, 28, 28),
    ),
    "nested Sequential": (
        """
from tensorflow import keras
from tensorflow.keras import layers as L
def block(filters, name=None):
    return keras.Sequential([L.Conv2D(filters, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()], name=name)
model = keras.Sequential([
    L.InputLayer(input_shape=(32, 32, 3)),
    block(8, name="one"),
    L.MaxPooling2D(2),
    keras.Sequential([block(12), block(12)]),
    L.GlobalAveragePooling2D(),
    L.Dense(4),
], name="nest")
""",
        (3, 32, 32),
    ),
    "augmentation in the model": (
        """
import keras
from keras import layers
data_augmentation = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
inputs = keras.Input(shape=(32, 32, 3))
x = data_augmentation(inputs)
x = layers.Rescaling(1.0)(x)
for size in [8, 16]:
    residual = x
    x = layers.Conv2D(size, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D(2, padding="same")(x)
    residual = layers.Conv2D(size, 1, strides=2, padding="same")(residual)
    x = layers.add([x, residual])
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dropout(0.5)(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs=inputs, outputs=outputs)
""",
        (3, 32, 32),
    ),
    "settings in one dict": (
        """
from keras.models import Sequential
from keras.layers import Conv2D, MaxPooling2D, Dense, Dropout, Flatten, BatchNormalization
from keras.regularizers import l2
IMG_ROWS, IMG_COLS, CHANNELS = 28, 28, 1
NUM_CLASSES = 10
def create_model(dropout_rate=0.25, learning_rate=1e-3):
    conv = dict(kernel_size=(3, 3), activation="relu", padding="same", kernel_regularizer=l2(1e-4))
    model = Sequential()
    for i, f in enumerate([4, 8]):
        if i == 0:
            model.add(Conv2D(f, input_shape=(IMG_ROWS, IMG_COLS, CHANNELS), **conv))
        else:
            model.add(Conv2D(f, **conv))
        model.add(BatchNormalization(axis=-1, momentum=0.9))
        model.add(MaxPooling2D((2, 2), strides=2))
        model.add(Dropout(dropout_rate))
    model.add(Flatten())
    model.add(Dense(NUM_CLASSES, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model
model = create_model()
model.summary()
""",
        (1, 28, 28),
    ),
    "three lanes by a function": (
        """
from tensorflow.keras.layers import Input, Conv2D, MaxPooling2D, concatenate, AveragePooling2D, Dense, Flatten
from tensorflow.keras.models import Model
def module(x, n1, n3r, n3):
    a = Conv2D(n1, (1, 1), padding='same', activation='relu')(x)
    b = Conv2D(n3r, (1, 1), padding='same', activation='relu')(x)
    b = Conv2D(n3, (3, 3), padding='same', activation='relu')(b)
    c = MaxPooling2D((3, 3), strides=(1, 1), padding='same')(x)
    c = Conv2D(4, 1, activation='relu')(c)
    return concatenate([a, b, c], axis=-1)
input_layer = Input(shape=(28, 28, 1))
x = Conv2D(8, (3, 3), strides=(2, 2), activation='relu')(input_layer)
x = module(x, 4, 4, 8)
x = module(x, 8, 4, 8)
x = AveragePooling2D((13, 13))(x)
x = Flatten()(x)
model = Model(input_layer, Dense(10, activation='softmax')(x))
""",
        (1, 28, 28),
    ),
    "the last layer exchanged": (
        """
from tensorflow.keras import Sequential, layers
model = Sequential([layers.Input(shape=(28,28)), layers.Reshape((28,28,1)), layers.Conv2D(4,3), layers.Flatten(), layers.Dense(10)])
model.pop()
model.add(layers.Dense(5))
""",
        (1, 28, 28),
    ),
    "a shortcut without weights": (
        """
import keras
from keras import layers

class Thin(layers.Layer):
    def __init__(self, step, zeros, **kwargs):
        super().__init__(**kwargs)
        self.step, self.zeros = step, zeros

    def call(self, x):
        x = x[:, ::self.step, ::self.step, :]
        return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (self.zeros, self.zeros)))

inputs = keras.Input((16, 16, 3))
x = layers.Conv2D(4, 3, padding="same")(inputs)
y = layers.ZeroPadding2D(1)(x)
y = layers.Conv2D(8, 3, strides=2)(y)
x = layers.Add()([y, Thin(2, 2)(x)])
x = keras.ops.relu(x)
x = layers.GlobalAveragePooling2D()(x)
model = keras.Model(inputs, layers.Dense(3)(x))
""",
        (3, 16, 16),
    ),
}
